"""A tour of ten steps through the phenomena, from what a loss surface is to what it is good for."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Step:
    """One step of the tour."""

    title: str
    text: str  # a paragraph for somebody who has trained a network and seen no surface
    phenomenon: str = ""  # whose pictures stand below
    page: str = ""  # where to try it: "playground"


TOUR: tuple[Step, ...] = (
    Step(
        "What a loss surface is",
        "Training looks for weights at which a network errs little. Give every setting of the "
        "weights its height, the mean loss over the data, and you have a surface: with two weights "
        "a landscape over a plane, with a million over a space that nobody can see. Training walks "
        "down on it. In the playground the landscape has one or two weights: drag the start and "
        "watch where gradient descent ends.",
        page="playground",
    ),
    Step(
        "When it is a bowl",
        "For linear and logistic regression the surface is a bowl. There is one lowest place, and "
        "from everywhere down leads to it. A single hidden layer ends that: its surface has many.",
        phenomenon="convex-regression",
    ),
    Step(
        "Minima, saddles and curvature",
        "Where the surface is level the second derivatives say what it is: all up, a minimum; all "
        "down, a peak; some of each, a saddle. In many dimensions nearly every level place is a "
        "saddle, and the higher it lies the more ways lead down.",
        phenomenon="deep-linear",
    ),
    Step(
        "How training gets past saddles",
        "Near a saddle the gradient is small and descent nearly stops. Momentum carries over, the "
        "noise of small batches kicks off, and a method that knows the curvature walks straight "
        "away.",
        phenomenon="saddle-escape",
    ),
    Step(
        "How one looks at a million dimensions",
        "One cuts. A plane through the trained network, along two random directions whose parts "
        "are as large as the weights they move, is a picture of two dimensions of many. It shows "
        "what skip connections do.",
        phenomenon="skip-connections",
    ),
    Step(
        "The way of training",
        "The snapshots of a run, drawn into the plane in which they move most. Two directions hold "
        "nearly all of the way; but a random walk would be held well too, so its share stands "
        "beside.",
        phenomenon="trajectory-plane",
    ),
    Step(
        "Flat and sharp",
        "How steep a minimum is can be measured: by its largest second derivative, by the loss "
        "after noise, by the worst place nearby. Small batches end flatter. Whether that is why "
        "they generalise is another question: at one train loss no gap of accuracy is seen here.",
        phenomenon="batch-size-and-sharpness",
    ),
    Step(
        "Sharpness depends on the ruler",
        "The same function, the same outputs, and many times the curvature: weights of a "
        "ReLU network can be moved from one layer to the next. A statement about flatness must say "
        "by which measure, and some measures do not change.",
        phenomenon="reparameterisation",
    ),
    Step(
        "Minima are connected",
        "Two runs from two starts end far apart, with a hill between them on the straight line. A "
        "curve around the hill, found by training its one bend, stays as low as its ends. The "
        "surface is less a range of valleys than one connected floor.",
        phenomenon="mode-connectivity",
    ),
    Step(
        "What it is good for",
        "Averages of weights lie in the middle of that floor and are better than the last step; "
        "curvature at 2/η says that a run is as sharp as its rate allows; one that fails shows by "
        "its numbers what is wrong. Now look at your own: import a model and its checkpoints, or "
        "have your training script record itself.",
        phenomenon="weight-averaging",
        page="import",
    ),
)
