"""What no policy can beat: exact optima of the classic problems, and the value of hindsight.

Solved in NumPy or by linear programs, independently of the simulator.
"""
