"""Made-up results of a run, as the report takes them, for tests that break them one by one."""

from __future__ import annotations

from typing import Any

import numpy as np

from draingym.report.live import episodes_of, map_place
from draingym.world.network import NetworkConfig, build_network

Results = dict[str, Any]


def estimate(mean: float, half: float) -> dict[str, float]:
    return {"mean": mean, "low": mean - half, "high": mean + half}


def fake_scores(scale: float, spread: float, cost: float) -> Results:
    nominal = np.arange(0.05, 0.951, 0.05)
    bins = (np.arange(20) + 0.5) / 20
    pit = 1 + spread * (np.abs(bins - 0.5) * 4 - 1)
    slopes = {"p10": 1 - spread / 2, "p50": 1 - spread / 4, "p90": 1 + spread / 5, "ols": 0.97}
    return {
        "crps_node": estimate(scale, 0.09 * scale),
        "crps_total": estimate(3.1 * scale, 0.35 * scale),
        "cost_crps_node": estimate(cost, 0.12 * cost),
        "quantile_loss": {
            "p10": estimate(0.31 * scale, 0.03 * scale),
            "p50": estimate(0.62 * scale, 0.05 * scale),
            "p90": estimate(0.40 * scale, 0.04 * scale),
        },
        "slopes_node": slopes,
        "slopes_total": dict(slopes),
        "pit": (pit / pit.sum()).tolist(),
        "coverage": {
            "nominal": nominal.tolist(),
            "node": (0.5 + (nominal - 0.5) * (1 - 0.8 * spread)).tolist(),
            "total": (0.5 + (nominal - 0.5) * (1 - 0.5 * spread)).tolist(),
        },
    }


def fake_trace(rng: np.random.Generator, nodes: int, periods: int, level: float) -> Results:
    share = rng.dirichlet(np.full(nodes - 1, 4.0))
    stock, sent, lost = [], [], []
    held = np.concatenate([[40.0], level * share])
    for t in range(periods):
        if t % 4 == 0:
            held[0] += level / 2
        moved = np.floor(np.minimum(held[0], level / 6) * share)
        held = held + np.concatenate([[-moved.sum()], moved])
        want = rng.poisson(level / 6 * share)
        drain = np.minimum(want, np.floor(held[1:]))
        held[1:] -= drain
        stock.append(held.tolist())
        sent.append([0.0, *drain.tolist()])
        lost.append(float((want - drain).sum()))
    return {"on_hand": stock, "outbound": sent, "lost": lost}


def fake_verdict() -> Results:
    """A verdict over three policies, one of which the simulator overrates."""
    promised = {"historical": 1204.0, "order up to": 1352.0, "neural": 1431.0}
    found = {"historical": 1176.0, "order up to": 1318.0, "neural": 1262.0}
    error = {name: promised[name] / found[name] - 1 for name in found}
    ranks = {"mean": 0.33, "low": -0.33, "high": 1.0}
    return {
        "use": "none",
        "headline": "Do not choose by this simulator yet: fine-tune its drain model.",
        "reasons": ["Its values are off the oracle's by 6.1%.", "50 products were trained on."],
        "policies": list(found),
        "columns": ["simulator", "oracle"],
        "horizon": 20,
        "replications": 1,
        "products": 50,
        "start": 40,
        "value": {
            name: {
                "simulator": estimate(promised[name], 210.0),
                "oracle": estimate(found[name], 207.0),
            }
            for name in found
        },
        "agreements": [
            {
                "column": "simulator",
                "reference": "oracle",
                "error": {name: estimate(error[name], 0.02) for name in found},
                "mean_error": estimate(0.061, 0.01),
                "worst": "neural",
                "kendall": ranks,
                "spearman": dict(ranks),
                "chosen": "neural",
                "best": "order up to",
                "regret": estimate(0.042, 0.01),
                "top_regret": {
                    k: estimate(lost, 0.0) for k, lost in (("1", 0.042), ("3", 0.0), ("5", 0.0))
                },
                "tail": {
                    name: {"worth": estimate(88.0, 9.0), "error": estimate(off, 2.0)}
                    for name, off in (("historical", 3.1), ("order up to", -4.2), ("neural", 17.0))
                },
            }
        ],
        "drift": {
            key: [[slope * t for t in range(1, 21)] for slope in (0.001, 0.002, 0.007)]
            for key in ("value", "stock")
        },
        "one_step": {"historical": 1.0, "order up to": 1.1, "neural": 1.8},
        "outside": [],
    }


def fake_final_verdict() -> Results:
    """The verdict after fine-tuning: ranks are right."""
    verdict = fake_verdict()
    ranks = {"mean": 1.0, "low": 0.33, "high": 1.0}
    found = verdict["agreements"][0]
    found |= {"kendall": ranks, "spearman": dict(ranks), "chosen": "order up to"}
    headline = "Use the simulator to choose between policies; do not plan with its values."
    return verdict | {"use": "ranks", "headline": headline}


def fake_results() -> Results:
    """Results of a run as they could be, with the real geography of the demo."""
    rng = np.random.default_rng(0)
    network = build_network(NetworkConfig())
    pull = network.population / (network.distance_km[1:] + 250.0) ** 1.8
    flows = np.floor(9e4 * network.population / network.population.sum() * pull / pull.sum(axis=0))
    validation: Results = {
        "policies": ["historical", "order up to", "neural"],
        "columns": ["simulator", "oracle", "truth"],
        "horizon": 20,
        "replications": 4,
        "products": 50,
        "start": 40,
        "value": {
            "historical": {
                "simulator": estimate(1204.0, 210.0),
                "oracle": estimate(1176.0, 207.0),
                "truth": estimate(1169.0, 205.0),
            },
            "order up to": {
                "simulator": estimate(1352.0, 221.0),
                "oracle": estimate(1318.0, 219.0),
                "truth": estimate(1311.0, 220.0),
            },
            "neural": {
                "simulator": estimate(1431.0, 226.0),
                "oracle": estimate(1362.0, 222.0),
                "truth": estimate(1349.0, 224.0),
            },
        },
        "difference": {
            "historical": {
                "simulator": estimate(-148.0, 31.0),
                "oracle": estimate(-142.0, 33.0),
                "truth": estimate(-142.0, 34.0),
            },
            "neural": {
                "simulator": estimate(79.0, 14.0),
                "oracle": estimate(44.0, 17.0),
                "truth": estimate(38.0, 18.5),
            },
        },
        "value_error": {"historical": 0.024, "order up to": 0.026, "neural": 0.051},
    }
    epochs = np.arange(1, 61)
    updates = [0, *range(20, 121, 20)]
    curve = [611.0, 890.0, 951.0, 984.0, 1001.0, 1009.0, 1012.0]
    return {
        "data": {
            "source": "Ta-Feng",
            "fallback": None,
            "first_date": "2000-11-01",
            "days": 120,
            "periods": 60,
            "period_days": 2,
            "products": 50,
            "order_lines": 817741,
            "wholesale_lines": 1204,
            "customers": 18233,
            "views": 1_240_112,
            "candidates": 131_870,
            "nodes": [
                {
                    "name": network.node_name[n],
                    "latitude": float(network.node_latitude[n]),
                    "longitude": float(network.node_longitude[n]),
                    "upstream": not bool(network.serves_customers[n]),
                }
                for n in range(network.num_nodes)
            ],
            "regions": [
                {
                    "name": network.region_name[z],
                    "latitude": float(network.region_latitude[z]),
                    "longitude": float(network.region_longitude[z]),
                    "population": float(network.population[z]),
                }
                for z in range(network.num_regions)
            ],
        },
        "history": {
            "orders": 61020,
            "units": int(flows.sum()),
            "lost_share": 0.062,
            "flows": np.vstack([np.zeros(network.num_regions), flows]).tolist(),
            "outbound_quantiles": {"p25": 1.0, "p50": 3.0, "p75": 7.0, "p90": 14.0},
        },
        "drain": {
            "epochs": 60,
            "parameters": 84211,
            "train_curve": (0.52 + 0.5 * np.exp(-epochs / 9)).tolist(),
            "validation_curve": (0.56 + 0.45 * np.exp(-epochs / 8) + 4e-4 * epochs).tolist(),
        },
        "accuracy": {
            "periods": [40, 60],
            "samples": 128,
            "models": {
                "learned": fake_scores(1.18, 0.08, 6.2),
                "closest node": fake_scores(1.97, 0.62, 9.9),
                "noise floor": fake_scores(0.98, 0.01, 5.1),
            },
            "gap_closed": estimate(0.798, 0.06),
        },
        "policies": {
            "horizon": 14,
            "order_up_to": {
                "buy_cover": 7.2,
                "place_cover": 4.1,
                "safety": 0.9,
                "value": 948.0,
                "rollouts": 27000,
                "curve": [870.0, 921.0, 921.0, 933.0, 940.0, 940.0, 947.0, 948.0],
            },
            "neural": {
                "value": 1012.0,
                "rollouts": 3320,
                "updates": updates,
                "curve": curve,
            },
        },
        "validation": validation,
        "verdict": fake_verdict(),
        "fine_tuning": {
            "labelled": ["neural", "order up to, 0.6x"],
            "loss": 6.8,
            "neural": {"value": 1020.0, "rollouts": 3320, "updates": updates, "curve": curve},
        },
        "final_verdict": fake_final_verdict(),
        "trace": {
            "product": "4714981010038",
            "start": 40,
            "policies": {
                name: fake_trace(rng, network.num_nodes, 20, level)
                for name, level in (("historical", 260), ("order up to", 310), ("neural", 280))
            },
        },
        "seconds": {"data": 9.1, "history": 21.4, "drain": 96.0, "validation": 48.7},
        "compiling": {"drain": {"seconds": 31.5, "programs": 24}},
        "versions": {"python": "3.11.9", "jax": "0.8.0"},
        "machine": {"cpu": "A processor", "cores": 2, "gpu": None},
        "config": {"seed": 0, "world": {"mean_unit_price": 30.0, "conversion_mean": 0.12}},
    }


def fake_episodes(products: int = 3, periods: int = 6, names: tuple[str, ...] = ()) -> Results:
    """Episodes of two policies on a small map; ``names`` take the place of the first ones."""
    rng = np.random.default_rng(5)
    network = build_network(NetworkConfig(num_nodes=3, num_regions=5))
    nodes, regions = network.num_nodes, network.num_regions

    def moves() -> Results:
        units = {
            name: rng.integers(0, 30, (periods, nodes)).tolist()
            for name in ("on_hand", "in_transit", "shipped", "sold", "unmet")
        }
        lanes = [[[1, 2, 3], [2, 0, 1]] for _ in range(periods)]
        return units | {"reward": rng.normal(5.0, 9.0, periods).round(2).tolist(), "lanes": lanes}

    found = episodes_of(
        [{name: moves() for name in ("historical", "neural")} for _ in range(products)],
        [f"product {p}" for p in range(products)],
        map_place(network),
        labels=[f"Nov {t + 1}" for t in range(periods)],
        period="day",
        currency="USD",
        views=list(rng.integers(0, 50, (products, periods, regions))),
        of=50,
    )
    for kind, name in zip(("products", "policies", "labels"), names, strict=False):
        found[kind][0] = name
    if names:
        found["place"]["nodes"][0]["name"] = found["place"]["regions"][0]["name"] = names[0]
    return found


def inside(results: Results, path: tuple[str | int, ...]) -> Any:
    """Return what lies at a path of keys."""
    for key in path:
        results = results[key]
    return results
