"""The drain model in PyTorch, with the same losses, to compare the speed of training with."""
