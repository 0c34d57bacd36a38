"""A comparison's plot: quality against cost, a point for each run."""

import math
from collections.abc import Mapping
from typing import Any

from fsketch.gallery import scatter
from fsketch.report import tables
from fsketch.scoring import measures

# name -> (title of the axis, value of a row)
COSTS = {
    "parameters": "parameters",
    "flop": "FLOP per image",
    "latency": "latency of one image, ms",
}
KINDS = ("with a teacher", "without a teacher")


def quality_against(cost: str, content: Mapping[str, Any]) -> str:
    """SVG of the comparison's metric against "parameters", "flop" or "latency"."""
    direction, metric = content["metric"].split("/")
    points = []
    for row in content["models"]:
        if row["direction"] != direction or metric not in row["quality"]:
            continue  # another protocol, where that is allowed
        value = _cost(cost, row)
        if value is None:
            raise ValueError(f"cost: no {COSTS[cost]} was measured; another is admitted")
        label = row["name"]
        run = content["runs"][label]
        its = {k: math.nan if v is None else v for k, v in row["quality"][metric].items()}
        mark = f" {tables.MARK}" if run["different"] else ""
        points.append(
            scatter.Point(
                f"{label}{mark}",
                value,
                **{"y": its["value"], "low": its["low"], "high": its["high"]},
                group=str(row["parameters"]),
                is_open=not run["teachers"],
            )
        )
    entry = measures.IMAGE[metric]
    unit = f", {entry.unit}" if entry.unit else ""
    better = "higher" if entry.higher_is_better else "lower"
    return scatter.scatter(
        points,
        x_title=f"{COSTS[cost]} (logarithmic)",
        y_title=f"{entry.title} {direction}{unit}, {better} is better",
        kinds=KINDS,
    )


def _cost(cost: str, row: Mapping[str, Any]) -> float | None:
    if cost == "parameters":
        return row["parameters"]
    if cost == "flop":
        return row["flop_per_image"]
    return 1e3 * row["latency"]["1"]["median_sec"] if row["latency"] else None
