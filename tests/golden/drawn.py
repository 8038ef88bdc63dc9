"""What make_losses.py, make_metrics.py and make_steps.py share: random arrays of few digits, and
cases as JSON."""
import json

import numpy as np


class Draw:
    """Numbers from -reach to reach and classes below count, from a fixed seed."""

    def __init__(self, seed, reach, count):
        self.random, self.reach, self.count = np.random.RandomState(seed), reach, count

    def numbers(self, *dims, low=None, high=None):
        low = -self.reach if low is None else low
        high = self.reach if high is None else high
        return np.round(self.random.uniform(low, high, dims), 3).astype("float32")

    def classes(self, *dims, count=None):
        count = self.count if count is None else count
        return self.random.randint(0, count, dims).astype("int32")

    def share(self, *dims):
        x = self.random.uniform(0.05, 1.0, dims)
        return np.round(x / x.sum(-1, keepdims=True), 4).astype("float32")


def one_hot(ids, count=4):
    return np.eye(count, dtype="float32")[ids]


def listed(x):
    if x is None:
        return None
    x = np.asarray(x)
    return x.astype("float64").tolist() if x.dtype.kind == "f" else x.tolist()


def rounded(x):
    return json.loads(json.dumps(x), parse_float=lambda s: float("%.9g" % float(s)))


def print_cases(items):
    print('{"cases": [\n' + ",\n".join(json.dumps(item) for item in items) + "\n]}")
