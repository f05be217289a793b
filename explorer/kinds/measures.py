"""The measures of sharpness: what each is, where it is from, and whether a rescaling moves it."""

from dataclasses import dataclass

YES, NO, LAYERS = "yes", "no", "layer-wise"


@dataclass(frozen=True)
class Measure:
    """One measure."""

    name: str  # stored by its place in `MEASURES`, which only ever grows at its end
    title: str
    definition: str  # one line
    source: str
    invariant: str  # under rescaling of layers: YES, NO, or LAYERS where neuron-wise moves it


MEASURES: tuple[Measure, ...] = (
    Measure(
        "keskar",
        "Keskar box",
        "100 (max of L in the box abs(d_i) <= box (abs(w_i) + 1) - L) / (1 + L), by 10 iterations "
        "of L-BFGS-B from each start, in the full space",
        "Keskar et al. 2017, arXiv:1609.04836, metric 2.1",
        NO,
    ),
    Measure(
        "keskar_half",
        "Keskar box, half",
        "the same in a box of half the size",
        "Keskar et al. 2017, arXiv:1609.04836, metric 2.1",
        NO,
    ),
    Measure(
        "sam",
        "SAM",
        "L(w + rho g / norm(g)) - L(w): one step up the gradient",
        "Foret et al. 2021, arXiv:2010.01412, equation 2",
        NO,
    ),
    Measure(
        "m_sharpness",
        "m-sharpness",
        "the mean over batches of the batch's own SAM",
        "Foret et al. 2021, arXiv:2010.01412, section 4.1",
        NO,
    ),
    Measure(
        "asam",
        "ASAM",
        "L(w + d) - L(w) with d = rho T^2 g / norm(T g), T = abs(w) + eta",
        "Kwon et al. 2021, arXiv:2102.11600",
        NO,
    ),
    Measure(
        "asam_0",
        "ASAM, eta 0",
        "the same with T = abs(w)",
        "Kwon et al. 2021, arXiv:2102.11600",
        YES,
    ),
    Measure(
        "adaptive_max",
        "Adaptive worst case, max norm",
        "max of L(w + d) - L(w) over abs(d_i) <= rho abs(w_i), logits normalised; by projected "
        "ascent with restarts, so a lower bound",
        "Andriushchenko et al. 2023, arXiv:2302.07011",
        YES,
    ),
    Measure(
        "adaptive_euclid",
        "Adaptive worst case, Euclidean",
        "the same over norm(d / abs(w)) <= rho",
        "Andriushchenko et al. 2023, arXiv:2302.07011",
        YES,
    ),
    Measure(
        "average",
        "Average case",
        "mean of L(w + d) - L(w) over d from N(0, rho^2), pairs of opposite signs",
        "Andriushchenko et al. 2023, arXiv:2302.07011",
        NO,
    ),
    Measure(
        "adaptive_average",
        "Adaptive average case",
        "the same over d from N(0, rho^2 w^2)",
        "Andriushchenko et al. 2023, arXiv:2302.07011",
        YES,
    ),
    Measure(
        "ball_worst",
        "Ball, worst drawn",
        "the largest L(w + d) - L(w) among random d in the ball norm(d) <= radius, so a lower "
        "bound of the maximum",
        "Monte Carlo over uniform draws",
        NO,
    ),
    Measure(
        "ball_average",
        "Ball, average",
        "mean of L(w + d) - L(w) over the ball norm(d) <= radius",
        "Monte Carlo over uniform draws",
        NO,
    ),
    Measure(
        "lambda_max",
        "Largest eigenvalue",
        "the largest eigenvalue of the Hessian H, by Lanczos, with its residual",
        "Golub and Van Loan, Matrix Computations, section 10.3",
        NO,
    ),
    Measure(
        "trace",
        "Trace",
        "sum of H_ii, by random signs",
        "Hutchinson 1989",
        NO,
    ),
    Measure(
        "frobenius",
        "Frobenius norm",
        "square root of the mean of norm(H v)^2 over random signs v",
        "Hutchinson 1989",
        NO,
    ),
    Measure(
        "scaled_lambda_max",
        "Scaled largest eigenvalue",
        "the largest eigenvalue of diag(abs(w)) H diag(abs(w))",
        "coordinates that the rescalings of Dinh et al. 2017, arXiv:1703.04933, leave",
        YES,
    ),
    Measure(
        "scaled_trace",
        "Scaled trace",
        "sum of w_i^2 H_ii, by random signs",
        "coordinates that the rescalings of Dinh et al. 2017, arXiv:1703.04933, leave",
        YES,
    ),
    Measure(
        "effective_dimension",
        "Effective dimension",
        "sum of max(lambda, 0) / (max(lambda, 0) + z), by Lanczos quadrature",
        "Maddox et al. 2020, arXiv:2003.02139; MacKay 1992",
        NO,
    ),
    Measure(
        "fisher_rao",
        "Fisher-Rao norm",
        "w' F w with the empirical Fisher matrix F",
        "Liang et al. 2019, arXiv:1711.01530",
        YES,
    ),
    Measure(
        "relative_flatness",
        "Relative flatness",
        "sum over rows s, s' of the last linear layer of <w_s, w_s'> Tr(H_ss')",
        "Petzka et al. 2021, arXiv:2001.00939",
        LAYERS,
    ),
    Measure(
        "normalised_sharpness",
        "Normalised sharpness",
        "sum over weight tensors of min over s, s' of sum_ij h_ij e^(s_i + s'_j) + w_ij^2 "
        "e^(-s_i - s'_j), h the diagonal of the Gauss-Newton matrix summed over a kernel; "
        "published forms differ, this one has no temperature",
        "Tsuzuku et al. 2020, arXiv:1901.04653",
        YES,
    ),
    Measure(
        "pac_bayes",
        "PAC-Bayes sigma",
        "1 / sigma^2 of the largest sigma for which noise N(0, sigma^2) costs at most the allowed "
        "accuracy",
        "Jiang et al. 2020, arXiv:1912.02178",
        NO,
    ),
    Measure(
        "pac_bayes_magnitude",
        "Magnitude-aware sigma",
        "the same for noise N(0, sigma^2 w_i^2)",
        "Dziugaite et al. 2020, arXiv:2010.11924",
        YES,
    ),
    Measure(
        "gradient_norm",
        "Gradient norm",
        "norm(g) of the mean loss",
        "closed form",
        NO,
    ),
    Measure(
        "noise_scale",
        "Gradient-noise scale",
        "tr(Sigma) / norm(g)^2, Sigma the covariance (over N - 1) of the examples' own gradients",
        "McCandlish et al. 2018, arXiv:1812.06162, equation 2.9",
        NO,
    ),
    Measure(
        "bound_mcallester",
        "PAC-Bayes bound, McAllester-Maurer",
        "bound of the 0-1 loss under noise of the PAC-Bayes sigma: E + sqrt((KL + ln(2 sqrt(m) / "
        "delta)) / 2m), prior around the initial parameters",
        "McAllester 1999; Maurer 2004, arXiv:cs/0411099",
        NO,
    ),
    Measure(
        "bound_dziugaite",
        "PAC-Bayes bound, Dziugaite-Roy",
        "bound of the same: the largest q with kl(E, q) <= (KL + ln(m / delta)) / (m - 1)",
        "Dziugaite and Roy 2017, arXiv:1703.11008; Langford and Seeger 2001",
        NO,
    ),
    Measure(
        "keskar_subspace",
        "Keskar box, random subspace",
        "100 (max of L(w + A y) over abs(y_i) <= box (abs((A+ w)_i) + 1) - L) / (1 + L), A of 100 "
        "columns of standard normal numbers, A+ its pseudo-inverse",
        "Keskar et al. 2017, arXiv:1609.04836, metric 2.1",
        NO,
    ),
    Measure(
        "keskar_subspace_half",
        "Keskar box, random subspace, half",
        "the same in a box of half the size",
        "Keskar et al. 2017, arXiv:1609.04836, metric 2.1",
        NO,
    ),
    Measure(
        "keskar_plain",
        "Plain box",
        "(max of L in the box abs(d_i) <= box - L) / (1 + L): Keskar's box as surveys write it, "
        "without the size of w_i and not in percent",
        "Keskar et al. 2017, arXiv:1609.04836, metric 2.1 as often written",
        NO,
    ),
    Measure(
        "sphere_worst",
        "Sphere, worst drawn",
        "the largest L(w + d) - L(w) among random d of length sphere, so a lower bound of the "
        "maximum: far below it in many dimensions",
        "Monte Carlo over uniform draws; called empirical sharpness",
        NO,
    ),
    Measure(
        "sphere_average",
        "Sphere, average",
        "mean of L(w + d) - L(w) over random d of length sphere; sphere^2 tr(H) / 2D of a "
        "quadratic at its minimum",
        "Monte Carlo over uniform draws; called average sensitivity",
        NO,
    ),
    Measure(
        "sam_gradient_norm",
        "SAM gradient, norm",
        "norm of the gradient at w + rho g / norm(g): what SAM steps down",
        "Foret et al. 2021, arXiv:2010.01412, equation 3",
        NO,
    ),
    Measure(
        "sam_gradient_cosine",
        "SAM gradient, cosine",
        "cosine of that gradient and the plain one; 1 where SAM is gradient descent",
        "Foret et al. 2021, arXiv:2010.01412, equation 3",
        NO,
    ),
    Measure(
        "critical_sharpness",
        "Critical sharpness",
        "2 / eta_c with eta_c the least step found at which L(w - eta g) is above L(w); g'Hg / g'g "
        "of a quadratic",
        "Kalra et al. 2026, arXiv:2601.16979; along plain gradient descent's update",
        NO,
    ),
    Measure(
        "sigma_basin",
        "Sigma-basin",
        "the largest sigma at which noise N(0, sigma^2) costs at most the allowed accuracy in half "
        "of the draws; its ends by Clopper-Pearson intervals of that share",
        "Chen et al. 2025, arXiv:2505.17646, most-case basin; the share and the drop are ours",
        NO,
    ),
)
MEASURE_PLACES = {measure.name: place for place, measure in enumerate(MEASURES)}
# What an answer without named measures has: fixed, so that no stored answer lacks a measure.
STANDARD = tuple(measure.name for measure in MEASURES[:29])
_BESIDE = {
    "keskar_half": "keskar",
    "keskar_subspace": "keskar",
    "keskar_subspace_half": "keskar",
    "keskar_plain": "keskar",
    "sphere_worst": "ball_average",
    "sphere_average": "ball_average",
    "sam_gradient_norm": "sam",
    "sam_gradient_cosine": "sam",
    "critical_sharpness": "lambda_max",
    "sigma_basin": "pac_bayes_magnitude",
}
# In the order of reading: what came later stands beside its like.
MEASURES_IN_READING_ORDER = tuple(
    sorted(MEASURES, key=lambda m: MEASURE_PLACES[_BESIDE.get(m.name, m.name)])
)

# Why a measure has no value: stored by its place, so this too only grows at its end.
MISSING_REASONS: tuple[str, ...] = (
    "",
    "The loss at this point is not finite, so that nothing around it can be measured.",
    "The loss cannot be differentiated as this measure needs; the Spectrum page says what is in "
    "the way.",
    "It needs one loss per example, and this problem's loss is a sum and a count.",
    "It is about the 0-1 loss, and this problem has no metric named accuracy.",
    "The accuracy does not fall that far at any noise up to sigma = 100.",
    "It is about a last linear layer whose outputs are the model's, and there is none.",
    "No initial parameters are known: import the first snapshot of the run together with the "
    "model, and choose it as the start.",
    "The model has more parameters than this measure is computed for, and its loss is neither the "
    "ready cross-entropy nor the ready squared error.",
    "The gradient is zero here, so that there is no step along it.",
    "This model has no pair of layers that can be rescaled.",
    "The memory of this machine does not suffice for it.",
    "A loss nearby is not finite: choose a smaller perturbation.",
    "It needs at least two examples.",
    "An example's loss depends on its batch here, as the problem declares a batch_size.",
    "The loss does not rise again along this step, however long it is.",
)
