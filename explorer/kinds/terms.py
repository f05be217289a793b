"""What the technical words of pages mean: a sentence and a source for each, as tooltips say it."""

from dataclasses import dataclass

from explorer.kinds.measures import MEASURES

DEFINED_HERE = "a definition of this program"


@dataclass(frozen=True)
class Term:
    """A technical word."""

    sentence: str  # what it means, in one line
    source: str = DEFINED_HERE


_LANCZOS = "Golub and Van Loan, Matrix Computations, section 10.3"
_LI = "Li et al. 2018"
_QUADRATURE = "Ubaru et al. 2017; Ghorbani et al. 2019"
# By the names under which results store their numbers, or the words of a page.
TERMS = {measure.name: Term(f"{measure.definition}.", measure.source) for measure in MEASURES} | {
    "loss": Term("The mean loss per example of the model by itself, over the chosen data."),
    "lowest_loss": Term("The lowest of the finite losses that were computed."),
    "highest_loss": Term("The highest of the finite losses that were computed."),
    "basins": Term(
        "Minima of the plane or line above the noise: each joins a deeper one only after a rise of "
        "more than the median standard error of the loss at saddles. The deepest counts.",
        "Edelsbrunner et al. 2002",
    ),
    "smad": Term(
        "Saddle-minimum average distance: mean height of the first saddle above each minimum, of "
        "the basins above the noise; 0 where there is no saddle.",
        "Chen et al. 2026",
    ),
    "total_persistence": Term(
        "Sum over the basins above the noise of the rise before each joins a deeper one; the "
        "deepest never does and has no part in it.",
        "Edelsbrunner et al. 2002",
    ),
    "noise_floor": Term(
        "The median standard error of the loss over all saddles: a basin that joins a deeper one "
        "after a smaller rise may be chance of which examples the mean is over."
    ),
    "merge_tree": Term(
        "A branch for each basin from its lowest point up; it ends at the saddle where a deeper "
        "basin is reached.",
        "Edelsbrunner et al. 2002",
    ),
    "barcode": Term(
        "A bar for each basin, from the level at which it begins to that at which it joins a "
        "deeper one. The deepest never does: it has no bar, so that of a bowl is empty.",
        "Edelsbrunner et al. 2002",
    ),
    "bottleneck_distance": Term(
        "The most that a birth or a death differs when the bars of two barcodes are paired as "
        "well as can be; a bar may also vanish, at half its length. At most the largest "
        "difference of the two surfaces.",
        "Cohen-Steiner et al. 2007",
    ),
    "slope": Term("How much the loss changes per unit along the direction, at the model: g'd."),
    "eigenvalue": Term("Of the Hessian, along whose eigenvector the line runs.", _LANCZOS),
    "barrier": Term(
        "Largest rise of the loss above the straight line between the losses of the two ends.",
        "Entezari et al. 2022, Definition 2.1",
    ),
    "rise_above_mean": Term(
        "Largest loss on the way minus the mean of the losses of the two ends.",
        "Frankle et al. 2020, section 2; Ainsworth et al. 2023",
    ),
    "error_rise": Term(
        "Largest share of wrong answers on the way minus the mean of the two ends' shares.",
        "Frankle et al. 2020, section 2",
    ),
    "saddle": Term("The highest loss between the two points.", "Draxler et al. 2018"),
    "height_ratio": Term(
        "The highest loss between the two points over the larger loss of both. It says little "
        "where both are near 0.",
    ),
    "midpoint_rise": Term(
        "Loss halfway minus the mean of the losses of both ends: at most the barrier.",
        "Entezari et al. 2022, Definition 2.1",
    ),
    "path_mean": Term(
        "Mean of the loss over the places of the path, from t = 0 to t = 1.",
        "Garipov et al. 2018, equation 2",
    ),
    "bends": Term("Points between both ends that the path leads past.", "Garipov et al. 2018"),
    "path_steps": Term("Steps that the path has been trained for.", DEFINED_HERE),
    "arc_length": Term("Length of the path between the two points, in norms of the parameters."),
    "largest_rise": Term(
        "The most that the loss climbs from any point on the way to a later one.",
        "Lucas et al. 2021",
    ),
    "lowest_pass": Term(
        "The least, over all ways by others of the minima, of the highest loss on the way.",
        "Draxler et al. 2018, section 3.3",
    ),
    "disconnectivity_tree": Term(
        "A branch for each minimum from its own loss up; two join at their lowest pass.",
        "Wales et al. 1998",
    ),
    "weight_space_plane": Term(
        "The plane on which distances between the models are as near as they can be to their own: "
        "classical scaling.",
        "Torgerson 1952",
    ),
    "distance": Term("Euclidean norm of the difference of the two points' parameters."),
    "aligned_distance": Term(
        "Distance of the fixed model from the permuted copy that is most like it.",
        "Ainsworth et al. 2023",
    ),
    "similarity": Term(
        "What a search increases: the inner product of all parameters of the fixed model and the "
        "copy, or the sum of correlations of their channels' activations.",
        "Ainsworth et al. 2023, section 3",
    ),
    "midpoint_loss": Term(
        "Mean loss per example halfway between the fixed model and the permuted copy.",
        "Entezari et al. 2022",
    ),
    "repaired": Term(
        "The loss halfway where each channel's pre-activations get the mean and deviation that "
        "both models have on average (REPAIR).",
        "Jordan et al. 2023",
    ),
    "agreement": Term("Share of the searches that ended at the best one's permutation."),
    "output_change": Term(
        "Largest absolute change of any output from the model to its permuted copy: rounding."
    ),
    "log10_permutations": Term(
        "log10 of how many permutations of its channels leave the model's function: of n alike "
        "channels there are n!.",
        "Hecht-Nielsen 1990",
    ),
    "largest_imaginary": Term(
        "Largest imaginary part of the eigenvalues of a game's Jacobian: how fast its players turn "
        "around each other; 0 where they descend one loss.",
        "Mescheder et al. 2018",
    ),
    "lowest_real": Term(
        "Lowest real part of the eigenvalues of a game's Jacobian: below 0 small steps lead away.",
        "Mescheder et al. 2018",
    ),
    "lowest_player_eigenvalue": Term(
        "Lowest eigenvalue of a player's own Hessian, that of its loss by its parameters: below 0 "
        "it stands at no minimum, and the point is no Nash equilibrium.",
        "Berard et al. 2020",
    ),
    "field_norm": Term(
        "Norm of the vector field of a game: the gradients of all players, each by its own "
        "parameters.",
        "Balduzzi et al. 2018",
    ),
    "path_angle": Term(
        "Cosine of the angle between a game's vector field and the way from start to point: it "
        "passes from below to above 0 where the way comes to an attracting point, and has a bump "
        "where the field turns around it.",
        "Berard et al. 2020",
    ),
    "learning_coefficient": Term(
        "How fast the volume of parameters with a loss near the point's shrinks with that loss: "
        "n β times the mean rise of the loss over draws about the point, β = 1 / log n. Half the "
        "number of parameters for a minimum with no flat direction.",
        "Lau et al. 2023",
    ),
    "r_hat": Term(
        "Root of the variance of all chains together over that within halves of chains, by ranks; "
        "of their losses or of their distances from the point, whichever is larger: 1 where chains "
        "agree, above 1.1 where they do not mix.",
        "Vehtari et al. 2021",
    ),
    "measured_points": Term("Points that an experiment has given, of all its series."),
    "manifold_dimension": Term(
        "Parameters minus the rank of the Jacobian of all outputs: directions that change none."
    ),
    "expected_dimension": Term(
        "Parameters minus constraints, one for each output of each example, and not below 0.",
        "Cooper 2018, Theorem 2.1",
    ),
    "jacobian_rank": Term("Singular values of the Jacobian of all outputs that count as not 0."),
    "zero_modes": Term(
        "Eigenvalues of the Hessian that count as 0: at least as many as the manifold has "
        "dimensions, where the loss is 0.",
        "Cooper 2018",
    ),
    "walk_distance": Term("From the point to the end of the walk: norm of the difference."),
    "walk_loss": Term("The highest loss at the places of the walk."),
    "difference": Term(
        "The second model's mean loss minus the first's, over the same examples.",
        "interval: Cochran 1977, section 2.8",
    ),
    "explained": Term(
        "Share of the variance of the run's snapshots that lies in the plane of the first two "
        "principal components.",
        "Li et al. 2018, section 7",
    ),
    "farthest_beside": Term("Largest distance of a snapshot from the plane it is drawn on.", _LI),
    "convex_share": Term(
        "Share of the plane's points at which the smallest eigenvalue is not below 0.",
        "Li et al. 2018, section 6",
    ),
    "median_ratio": Term(
        "Median over the plane of the size of the smallest eigenvalue over that of the largest.",
        "Li et al. 2018, section 6",
    ),
    "largest_ratio": Term(
        "Largest on the plane of the size of the smallest eigenvalue over that of the largest.",
        "Li et al. 2018, section 6",
    ),
    "lambda_max": Term(
        "Largest eigenvalue of the matrix: the steepest curvature. The true one is within the "
        "residual.",
        _LANCZOS,
    ),
    "lambda_min": Term(
        "Smallest eigenvalue of the matrix; below 0 the loss curves downwards along it.", _LANCZOS
    ),
    "highest_lambda_max": Term(
        "The largest eigenvalue at the snapshot where it is highest.", "Cohen et al. 2021"
    ),
    "residual": Term(
        "norm(H v − λ v) of a computed eigenpair: an eigenvalue lies so near.", _LANCZOS
    ),
    "converged": Term("Whether the residual is within the tolerance that was asked.", _LANCZOS),
    "trace": Term(
        "Sum of all eigenvalues, estimated by products with random vectors; its interval is over "
        "them.",
        "Hutchinson 1989",
    ),
    "squared_frobenius_norm": Term("Sum of the squares of all eigenvalues.", "Hutchinson 1989"),
    "log_determinant": Term(
        "Sum of ln(max(λ, 0) + z) over all eigenvalues, by stochastic Lanczos quadrature (SLQ).",
        "Ubaru et al. 2017",
    ),
    "negative": Term(
        "How many eigenvalues are below 0 by more than a thousandth of the largest absolute one: "
        "of all where they are known, else from the estimated density.",
        _QUADRATURE,
    ),
    "zero": Term(
        "How many eigenvalues are within a thousandth of the largest absolute one of 0: of all "
        "where they are known, else from the estimated density.",
        _QUADRATURE,
    ),
    "positive": Term(
        "How many eigenvalues are above 0 by more than a thousandth of the largest absolute one: "
        "of all where they are known, else from the estimated density.",
        _QUADRATURE,
    ),
    "fisher_gap": Term(
        "norm(H − F) over norm(H), of Frobenius: how far Gauss-Newton or the empirical Fisher "
        "matrix is from the Hessian; 0 where they are one.",
        "Kunstner et al. 2019; Martens 2020",
    ),
    "covariance_overlap": Term(
        "Share of the space of the gradients' covariance's largest eigenvalues that lies in that "
        "of the Hessian's: the mean squared cosine of their principal angles, 1 where they are one "
        "and k / D on average of random spaces of k among D dimensions.",
        "Gur-Ari et al. 2018; Thomas et al. 2020",
    ),
    "density": Term(
        "Empirical spectral density (ESD): how the eigenvalues are spread, by stochastic Lanczos "
        "quadrature (SLQ).",
        _QUADRATURE,
    ),
    "outliers": Term("Eigenvalues that stand apart from the bulk.", "Sagun et al. 2017"),
    "condition_number": Term(
        "Largest size of an eigenvalue over the smallest.", "Golub and Van Loan"
    ),
    "median_condition": Term(
        "Largest size of an eigenvalue of the Hessian over the median one, as far as the "
        "arithmetic can tell them from 0: about the steps that the median direction takes at a "
        "rate that the steepest stands."
    ),
    "gradient_ratio": Term(
        "Norm of the gradient over the first tensor of weights, over that of the last: small where "
        "gradients vanish on their way back.",
        "Glorot and Bengio 2010",
    ),
    "foretold_fall": Term(
        "norm(g)² / (2 M) as a share of the loss, M the largest size of an eigenvalue: by so much "
        "at least a gradient step of 1/M lowers a quadratic loss, and by twice that at most where "
        "nothing bends down.",
        "Boyd and Vandenberghe 2004",
    ),
    "held_out_gap": Term("Loss over the held-out data minus that over the data."),
    "best_rate": Term(
        "The learning rate of the range test whose short trainings end lowest on average.",
        "Smith 2017",
    ),
    "rising_rate": Term(
        "The lowest learning rate of the range test from which on all trainings end above their "
        "start on average; infinite where none does.",
        "Smith 2017",
    ),
    "effective_rank": Term(
        "(sum of eigenvalues)² / sum of their squares, the participation ratio: how many of one "
        "size would do that."
    ),
    "gradient_change": Term(
        "The largest norm of the difference of the gradient on the way along an update from that "
        "where the update begins: how little a gradient foretells.",
        "Santurkar et al. 2018, figure 4",
    ),
    "smoothness": Term(
        "The largest ratio of the gradient's change to the way moved along an update: an estimate "
        "from below of the gradient's Lipschitz constant there.",
        "Santurkar et al. 2018, figure 4",
    ),
    "rising_share": Term(
        "Share of the ways from one stored snapshot to the next on which the loss rises; of steps, "
        "where each has a snapshot.",
        "Cohen et al. 2021",
    ),
    "projection": Term(
        "Where a snapshot lies along the top eigenvector of its run's last snapshot, which is at "
        "0. At the edge of stability it grows while the largest eigenvalue is above the threshold, "
        "and that brings the eigenvalue down.",
        "Damian et al. 2023",
    ),
    "edge_of_stability": Term(
        "The curvature above which plain steps of that rate grow: 2 / rate without momentum.",
        "Cohen et al. 2021; with Adam: Cohen et al. 2022",
    ),
    "preconditioned": Term(
        "Eigenvalues of P^-½ H P^-½ with Adam's P = √v + ε: the curvature that Adam's steps see.",
        "Cohen et al. 2022",
    ),
    "temperature": Term(
        "rate / (2 batch size), over 1 − momentum: how strongly the noise of batches shakes.",
        "Mandt et al. 2017; Jastrzebski et al. 2018; Smith and Le 2018",
    ),
    "monotone": Term(
        "The loss falls all the way from the first to the second point.",
        "Goodfellow et al. 2015, section 2",
    ),
    "implicit_regulariser": Term(
        "What steps of that rate and batch size add to the loss that is followed.",
        "Barrett and Dherin 2021; Smith et al. 2021",
    ),
    "critical_points": Term(
        "Searches that ended where a Newton step is below a thousandth of the parameters' norm."
    ),
    "levels": Term("Different losses among the critical points, to a millionth of their range."),
    "index": Term(
        "Number of eigenvalues below 0: 0 at a minimum, all at a maximum, else a saddle.",
        "Frye et al. 2021",
    ),
    "relative_gradient": Term(
        "The gradient's norm over the largest absolute eigenvalue times the parameters' norm."
    ),
    "newton_step": Term(
        "Length of the step to where the gradient would be 0 if the loss were "
        "quadratic, in parameters' norms.",
        "Roosta et al. 2018",
    ),
    "gradient_flat": Term(
        "norm(H g) / norm(g): near 0 where the gradient lies in directions without curvature.",
        "Frye et al. 2021",
    ),
    "left": Term(
        "Share of the gradient that a whole Newton step leaves; near 1 where it is gradient-flat.",
        "Frye et al. 2021",
    ),
    "products": Term("Products of the Hessian with a vector that the search took."),
    "average_loss": Term(
        "The mean loss per example of the average, with its own running statistics.",
        "Wortsman et al. 2022; Izmailov et al. 2018",
    ),
    "average_accuracy": Term("The share of right answers of the average.", "Wortsman et al. 2022"),
    "mean_member_loss": Term("The mean of the losses of the points, each by itself."),
    "best_member_loss": Term("The lowest of the losses of the points, each by itself."),
    "mean_member_accuracy": Term("The mean of the accuracies of the points, each by itself."),
    "average_rise": Term(
        "Loss of the average minus the mean of its ingredients' losses. At the midpoint of two it "
        "is a lower bound of the barrier between them.",
        "Entezari et al. 2022, Definition 2.1",
    ),
    "farthest_ingredient": Term(
        "The largest Euclidean distance of an ingredient from the average."
    ),
    "ensemble_loss": Term(
        "The loss of the averaged predictions of all members: for probabilities minus the "
        "logarithm of the label's mean one.",
        "Lakshminarayanan et al. 2017",
    ),
    "ensemble_accuracy": Term(
        "The share of right answers of the averaged predictions of all members.",
        "Lakshminarayanan et al. 2017",
    ),
    "disagreement": Term(
        "The share of examples on which two members choose different classes, over all pairs.",
        "Fort et al. 2019, section 4",
    ),
    "spread": Term(
        "Root mean square deviation of the members' outputs from their mean, over all outputs."
    ),
    "kendall": Term(
        "Kendall's tau-b: pairs of models that both numbers put in the same order, less those in "
        "opposite order, over those that are not tied. Its interval is a bootstrap.",
        "Jiang et al. 2020, section 2.1",
    ),
    "rank": Term("Place among the comparable answers, 1 for the lowest number."),
    "invariant": Term(
        "Whether a rescaling of layers or neurons that leaves the function leaves it too.",
        "Dinh et al. 2017",
    ),
}
