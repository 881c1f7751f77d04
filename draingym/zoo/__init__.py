"""The field's benchmark problems: descriptions with their published parameters, a family a file.

``table`` says of each where it is from and what its optimum or best known value is.
"""
