from draingym import world


def test_names_are_exported() -> None:
    assert world.__all__ == sorted(world.__all__, key=lambda n: (not n.isupper(), n.islower(), n))
    assert all(hasattr(world, name) for name in world.__all__)
