"""Where a value or a derivative that is not finite comes from."""
