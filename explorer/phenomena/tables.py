"""The literature's tables, each row with the picture here that bears it out, or does not."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One row: its cells, and what shows it."""

    cells: tuple[str, ...]
    shown: tuple[str, ...]  # names of phenomena, or of pages as "page:spectrum"


@dataclass(frozen=True)
class Table:
    """A table of the literature."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    loose: str = ""  # what it leaves out, or says too simply


TABLES: tuple[Table, ...] = (
    Table(
        "What the Hessian says of a point",
        ("Eigenvalues", "The point is"),
        (
            Row(("All positive", "a local minimum"), ("convex-regression", "page:spectrum")),
            Row(("All negative", "a local maximum"), ("morse-counts", "page:playground")),
            Row(("Of both signs", "a saddle"), ("deep-linear", "saddle-escape")),
            Row(
                ("Many near 0", "in a flat place: few directions matter"),
                ("solution-manifold", "outliers"),
            ),
            Row(
                ("A few far above the rest", "steep in as few directions, often one per class"),
                ("outliers",),
            ),
        ),
        "All of it is true only where the gradient is 0: elsewhere the point is none of these. A "
        "tolerance of 1e-8 calls every trained network degenerate; here an eigenvalue counts as 0 "
        "within the residual with which it was found.",
    ),
    Table(
        "What architecture does",
        ("Choice", "Said to", "Here"),
        (
            Row(
                ("Skip connections", "make the surface smooth", "by five decades on a plane"),
                ("skip-connections",),
            ),
            Row(
                ("Width", "remove bad minima, lower barriers", "losses spread less, barriers sink"),
                ("width-sweep", "width-and-barriers"),
            ),
            Row(
                ("Depth without skips", "make it chaotic", "see the plain network's cliffs"),
                ("skip-connections",),
            ),
            Row(
                ("BatchNorm", "allow larger learning rates", "trains at a rate that ends its twin"),
                ("batchnorm",),
            ),
            Row(
                ("Dropout", "smooth it", "flatter where it ends; itself it is noise"),
                ("dropout",),
            ),
        ),
        "A plane shows two directions of thousands, and a smooth plane proves no smooth surface.",
    ),
    Table(
        "What the training setting does",
        ("Setting", "Said to", "Here"),
        (
            Row(
                ("Small batches", "find flat minima", "flatter at one train loss"),
                ("batch-size-and-sharpness",),
            ),
            Row(
                (
                    "Large batches",
                    "find sharp minima and generalise worse",
                    "sharper; no gap shows",
                ),
                ("batch-size-and-sharpness", "generalisation-gap"),
            ),
            Row(
                ("A higher rate", "lead to flatter places", "2/η bounds the curvature"),
                ("edge-of-stability", "implicit-regularisation"),
            ),
            Row(
                ("Rate decay", "let training settle", "the distance from a minimum follows η/B"),
                ("sgd-temperature",),
            ),
            Row(
                ("Cyclical rates", "visit several minima", "snapshots that make an ensemble"),
                ("fast-ensembles",),
            ),
        ),
        "Sharpness has to be compared at one train loss, and the law of the distance needs the "
        "gradients' variance beside rate and batch.",
    ),
    Table(
        "Optimisers and what they do on the surface",
        ("Method", "Idea", "What it costs"),
        (
            Row(
                ("Momentum", "carries on through plateaus and past saddles", "nothing"),
                ("saddle-escape", "page:playground"),
            ),
            Row(
                ("Adam", "scales each step by past gradients", "two numbers a weight"),
                ("page:playground",),
            ),
            Row(
                ("SAM", "descends the worst place nearby", "two gradients a step"),
                ("sharpness-aware",),
            ),
            Row(
                ("SWA", "averages the last weights", "statistics computed again"),
                ("weight-averaging",),
            ),
            Row(("Entropy-SGD", "prefers wide wells", "an inner loop"), ("local-entropy",)),
            Row(
                ("Saddle-free Newton", "divides by absolute curvature", "a Hessian"),
                ("saddle-escape", "page:playground"),
            ),
        ),
        "Plain Newton goes to saddles as to minima. On real networks Entropy-SGD was worse than "
        "SGD when it was tried here: the wells show the idea, not a recommendation.",
    ),
    Table(
        "Convex and non-convex",
        ("", "Convex", "Non-convex"),
        (
            Row(
                ("Minima", "one, global", "many, most nearly as good"),
                ("convex-regression", "width-sweep"),
            ),
            Row(("Saddles", "none", "most critical points"), ("deep-linear", "all-positive")),
            Row(
                ("Gradient descent", "reaches the minimum", "ends where start and rate lead"),
                ("convex-regression", "page:playground"),
            ),
            Row(
                ("Initialisation", "does not matter", "decides the basin"),
                ("noise-stability", "page:diagnosis"),
            ),
            Row(
                ("Learning rate", "below 2/λ of the one curvature", "the curvature adapts to it"),
                ("edge-of-stability",),
            ),
            Row(
                ("Guarantees", "global", "to a critical point"),
                ("convex-regression", "saddle-escape"),
            ),
        ),
        "A network's loss is convex in its outputs; it is the weights before that make it not.",
    ),
    Table(
        "Problem and remedy",
        ("Problem", "Seen as", "Try"),
        (
            Row(
                ("Vanishing gradients", "first layer's far below the last's", "skips, norms, ReLU"),
                ("page:diagnosis", "vanishing-gradients"),
            ),
            Row(
                ("Exploding gradients", "norms above 100, NaN", "clipping, layer norm"),
                ("page:diagnosis",),
            ),
            Row(
                ("Poor generalisation", "test loss far above train loss", "SAM, decay, more data"),
                ("page:diagnosis", "sharpness-aware", "weight-averaging"),
            ),
            Row(
                ("Slow convergence", "λmax far above the median |λ|", "Adam, a schedule"),
                ("page:diagnosis", "page:playground"),
            ),
            Row(
                ("A plateau", "small gradient, loss at rest", "noise, another rate"),
                ("page:diagnosis", "saddle-escape"),
            ),
            Row(
                ("Runs that differ", "loss spreads over seeds", "ensembles, regularisation"),
                ("width-sweep", "fast-ensembles"),
            ),
        ),
        "No remedy follows from a picture alone: the page Diagnosis says each symptom's number.",
    ),
)
