"""Paints the pictures of environments in the pages: `python docs/images/environments.py`."""

from pathlib import Path

import gymnasium
import matplotlib.image
import numpy as np
from PIL import Image

import draingym

FOLDER = Path(__file__).parent


def paint(id: str, name: str, request: np.ndarray, periods: int, *, film: bool = False) -> None:
    """Save the picture after some periods of raising positions to a request, or all of them."""
    env = gymnasium.make(id, render_mode="rgb_array")
    names = env.unwrapped.observation_names
    nodes = len(request)
    observation, _ = env.reset(seed=3)
    frames = []
    for _ in range(periods):
        owned = observation[:nodes].copy()
        for n in range(nodes):
            transit = [i for i, each in enumerate(names) if each.startswith("pipeline")]
            owned[n] += observation[[i for i in transit if names[i].endswith(f"[{n}]")]].sum()
        limit = np.asarray(env.unwrapped.functional.max_action)
        action = np.clip((request - owned) / limit, 0.0, 1.0).astype(np.float32)
        observation, *_ = env.step(action)
        if film:
            frames.append(Image.fromarray(env.render()).quantize(32, dither=Image.Dither.NONE))
    if film:
        frames[0].save(FOLDER / name, save_all=True, append_images=frames[1:], duration=250, loop=0)
    else:
        matplotlib.image.imsave(FOLDER / name, env.render())
    env.close()


def paint_network() -> None:
    """Save the picture of the network that docs/networks.md describes."""
    page = (FOLDER.parent / "networks.md").read_text(encoding="utf-8")
    code = page.split("```python\n")[1].split("```")[0]
    found: dict[str, object] = {}
    exec(compile(code, "networks.md", "exec"), found)
    network = found["network"]
    if isinstance(network, draingym.Network):
        network.picture(FOLDER / "network.png")


if __name__ == "__main__":
    paint_network()
    draingym.registration.register_envs()
    request = np.array([240.0, 28, 40, 20, 6, 30, 16])
    paint("draingym/Placement-v0", "env_placement.png", request, 24)
    paint("draingym/Placement-v0", "placement.gif", request, 24, film=True)
    paint("draingym/Serial-v0", "env_serial.png", np.array([18.0, 28.0, 20.0, 26.0]), 20)
