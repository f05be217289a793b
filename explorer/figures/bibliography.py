"""BibTeX of the methods that a figure shows, by the keys that kinds and settings name."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Source:
    """A publication."""

    sort: str  # of the entry: inproceedings, article, misc
    authors: str
    title: str
    year: int
    where: str = ""  # conference or journal
    arxiv: str = ""
    doi: str = ""

    def entry(self, key: str) -> str:
        """As BibTeX."""
        place = "booktitle" if self.sort == "inproceedings" else "journal"
        fields = {
            "author": self.authors,
            "title": f"{{{self.title}}}",
            place: self.where,
            "year": str(self.year),
            "eprint": self.arxiv,
            "archiveprefix": "arXiv" if self.arxiv else "",
            "doi": self.doi,
        }
        lines = [f"  {name} = {{{text}}}," for name, text in fields.items() if text]
        return "\n".join([f"@{self.sort}{{{key},", *lines, "}"])


SOURCES = {
    "berard2020": Source(
        "inproceedings",
        "Berard, Hugo and Gidel, Gauthier and Almahairi, Amjad and Vincent, Pascal and "
        "Lacoste-Julien, Simon",
        "A Closer Look at the Optimization Landscapes of Generative Adversarial Networks",
        2020,
        "International Conference on Learning Representations",
        "1906.04848",
    ),
    "lau2023": Source(
        "misc",
        "Lau, Edmund and Furman, Zach and Wang, George and Murfet, Daniel and Wei, Susan",
        "The Local Learning Coefficient: A Singularity-Aware Complexity Measure",
        2023,
        arxiv="2308.12108",
    ),
    "vehtari2021": Source(
        "article",
        "Vehtari, Aki and Gelman, Andrew and Simpson, Daniel and Carpenter, Bob and "
        'B{\\"u}rkner, Paul-Christian',
        "Rank-Normalization, Folding, and Localization: An Improved R-hat for Assessing "
        "Convergence of {MCMC}",
        2021,
        "Bayesian Analysis",
        "1903.08008",
        "10.1214/20-BA1221",
    ),
    "mescheder2018": Source(
        "inproceedings",
        "Mescheder, Lars and Geiger, Andreas and Nowozin, Sebastian",
        "Which Training Methods for {GANs} do actually Converge?",
        2018,
        "International Conference on Machine Learning",
        "1801.04406",
    ),
    "smith2017": Source(
        "inproceedings",
        "Smith, Leslie N.",
        "Cyclical Learning Rates for Training Neural Networks",
        2017,
        "IEEE Winter Conference on Applications of Computer Vision",
        "1506.01186",
    ),
    "garipov2018": Source(
        "inproceedings",
        "Garipov, Timur and Izmailov, Pavel and Podoprikhin, Dmitrii and Vetrov, Dmitry and "
        "Wilson, Andrew Gordon",
        "Loss Surfaces, Mode Connectivity, and Fast Ensembling of DNNs",
        2018,
        "Advances in Neural Information Processing Systems",
        arxiv="1802.10026",
    ),
    "draxler2018": Source(
        "inproceedings",
        "Draxler, Felix and Veschgini, Kambis and Salmhofer, Manfred and Hamprecht, Fred A.",
        "Essentially No Barriers in Neural Network Energy Landscape",
        2018,
        "International Conference on Machine Learning",
        arxiv="1803.00885",
    ),
    "li2018": Source(
        "inproceedings",
        "Li, Hao and Xu, Zheng and Taylor, Gavin and Studer, Christoph and Goldstein, Tom",
        "Visualizing the Loss Landscape of Neural Nets",
        2018,
        "Advances in Neural Information Processing Systems",
        "1712.09913",
    ),
    "goodfellow2015": Source(
        "inproceedings",
        "Goodfellow, Ian J. and Vinyals, Oriol and Saxe, Andrew M.",
        "Qualitatively Characterizing Neural Network Optimization Problems",
        2015,
        "International Conference on Learning Representations",
        "1412.6544",
    ),
    "ghorbani2019": Source(
        "inproceedings",
        "Ghorbani, Behrooz and Krishnan, Shankar and Xiao, Ying",
        "An Investigation into Neural Net Optimization via Hessian Eigenvalue Density",
        2019,
        "International Conference on Machine Learning",
        "1901.10159",
    ),
    "ubaru2017": Source(
        "article",
        "Ubaru, Shashanka and Chen, Jie and Saad, Yousef",
        "Fast Estimation of $tr(f(A))$ via Stochastic Lanczos Quadrature",
        2017,
        "SIAM Journal on Matrix Analysis and Applications",
        doi="10.1137/16M1104974",
    ),
    "keskar2017": Source(
        "inproceedings",
        "Keskar, Nitish Shirish and Mudigere, Dheevatsa and Nocedal, Jorge and "
        "Smelyanskiy, Mikhail and Tang, Ping Tak Peter",
        "On Large-Batch Training for Deep Learning: Generalization Gap and Sharp Minima",
        2017,
        "International Conference on Learning Representations",
        "1609.04836",
    ),
    "foret2021": Source(
        "inproceedings",
        "Foret, Pierre and Kleiner, Ariel and Mobahi, Hossein and Neyshabur, Behnam",
        "Sharpness-Aware Minimization for Efficiently Improving Generalization",
        2021,
        "International Conference on Learning Representations",
        "2010.01412",
    ),
    "kwon2021": Source(
        "inproceedings",
        "Kwon, Jungmin and Kim, Jeongseop and Park, Hyunseo and Choi, In Kwon",
        "{ASAM}: Adaptive Sharpness-Aware Minimization for Scale-Invariant Learning of Deep "
        "Neural Networks",
        2021,
        "International Conference on Machine Learning",
        "2102.11600",
    ),
    "andriushchenko2023": Source(
        "inproceedings",
        'Andriushchenko, Maksym and Croce, Francesco and M{\\"u}ller, Maximilian and '
        "Hein, Matthias and Flammarion, Nicolas",
        "A Modern Look at the Relationship between Sharpness and Generalization",
        2023,
        "International Conference on Machine Learning",
        "2302.07011",
    ),
    "cohen2021": Source(
        "inproceedings",
        "Cohen, Jeremy M. and Kaur, Simran and Li, Yuanzhi and Kolter, J. Zico and "
        "Talwalkar, Ameet",
        "Gradient Descent on Neural Networks Typically Occurs at the Edge of Stability",
        2021,
        "International Conference on Learning Representations",
        "2103.00065",
    ),
    "cooper2018": Source(
        "misc",
        "Cooper, Yaim",
        "The Loss Landscape of Overparameterized Neural Networks",
        2018,
        arxiv="1804.10200",
    ),
    "roosta2018": Source(
        "misc",
        "Roosta, Fred and Liu, Yang and Xu, Peng and Mahoney, Michael W.",
        "{Newton-MR}: Inexact {Newton} Method with Minimum Residual Sub-problem Solver",
        2018,
        arxiv="1810.00303",
    ),
    "izmailov2018": Source(
        "inproceedings",
        "Izmailov, Pavel and Podoprikhin, Dmitrii and Garipov, Timur and Vetrov, Dmitry and "
        "Wilson, Andrew Gordon",
        "Averaging Weights Leads to Wider Optima and Better Generalization",
        2018,
        "Conference on Uncertainty in Artificial Intelligence",
        "1803.05407",
    ),
    "wortsman2022": Source(
        "inproceedings",
        "Wortsman, Mitchell and Ilharco, Gabriel and Gadre, Samir Ya and Roelofs, Rebecca and "
        "Gontijo-Lopes, Raphael and Morcos, Ari S. and Namkoong, Hongseok and Farhadi, Ali and "
        "Carmon, Yair and Kornblith, Simon and Schmidt, Ludwig",
        "Model Soups: Averaging Weights of Multiple Fine-Tuned Models Improves Accuracy Without "
        "Increasing Inference Time",
        2022,
        "International Conference on Machine Learning",
        "2203.05482",
    ),
    "shoemake1985": Source(
        "inproceedings",
        "Shoemake, Ken",
        "Animating Rotation with Quaternion Curves",
        1985,
        "Conference on Computer Graphics and Interactive Techniques (SIGGRAPH)",
        doi="10.1145/325165.325242",
    ),
    "ilharco2023": Source(
        "inproceedings",
        "Ilharco, Gabriel and Ribeiro, Marco Tulio and Wortsman, Mitchell and Gururangan, Suchin "
        "and Schmidt, Ludwig and Hajishirzi, Hannaneh and Farhadi, Ali",
        "Editing Models with Task Arithmetic",
        2023,
        "International Conference on Learning Representations",
        "2212.04089",
    ),
    "yadav2023": Source(
        "inproceedings",
        "Yadav, Prateek and Tam, Derek and Choshen, Leshem and Raffel, Colin and Bansal, Mohit",
        "{TIES}-Merging: Resolving Interference When Merging Models",
        2023,
        "Advances in Neural Information Processing Systems",
        "2306.01708",
    ),
    "yu2024": Source(
        "inproceedings",
        "Yu, Le and Yu, Bowen and Yu, Haiyang and Huang, Fei and Li, Yongbin",
        "Language Models are {Super Mario}: Absorbing Abilities from Homologous Models as a Free "
        "Lunch",
        2024,
        "International Conference on Machine Learning",
        "2311.03099",
    ),
    "lakshminarayanan2017": Source(
        "inproceedings",
        "Lakshminarayanan, Balaji and Pritzel, Alexander and Blundell, Charles",
        "Simple and Scalable Predictive Uncertainty Estimation using Deep Ensembles",
        2017,
        "Advances in Neural Information Processing Systems",
        "1612.01474",
    ),
    "entezari2022": Source(
        "inproceedings",
        "Entezari, Rahim and Sedghi, Hanie and Saukh, Olga and Neyshabur, Behnam",
        "The Role of Permutation Invariance in Linear Mode Connectivity of Neural Networks",
        2022,
        "International Conference on Learning Representations",
        "2110.06296",
    ),
    "ainsworth2023": Source(
        "inproceedings",
        "Ainsworth, Samuel K. and Hayase, Jonathan and Srinivasa, Siddhartha",
        "Git Re-Basin: Merging Models modulo Permutation Symmetries",
        2023,
        "International Conference on Learning Representations",
        "2209.04836",
    ),
    "jordan2023": Source(
        "inproceedings",
        "Jordan, Keller and Sedghi, Hanie and Saukh, Olga and Entezari, Rahim and Neyshabur, "
        "Behnam",
        "{REPAIR}: REnormalizing Permuted Activations for Interpolation Repair",
        2023,
        "International Conference on Learning Representations",
        "2211.08403",
    ),
    "li2015": Source(
        "inproceedings",
        "Li, Yixuan and Yosinski, Jason and Clune, Jeff and Lipson, Hod and Hopcroft, John",
        "Convergent Learning: Do different neural networks learn the same representations?",
        2015,
        "International Workshop on Feature Extraction: Modern Questions and Challenges at NIPS",
        "1511.07543",
    ),
    "edelsbrunner2002": Source(
        "article",
        "Edelsbrunner, Herbert and Letscher, David and Zomorodian, Afra",
        "Topological Persistence and Simplification",
        2002,
        "Discrete & Computational Geometry",
        doi="10.1007/s00454-002-2885-2",
    ),
    "hechtnielsen1990": Source(
        "inproceedings",
        "Hecht-Nielsen, Robert",
        "On the algebraic structure of feedforward network weight spaces",
        1990,
        "Advanced Neural Computers",
        doi="10.1016/B978-0-444-88400-8.50019-4",
    ),
}


def bibliography(keys: Sequence[str]) -> str:
    """The entries of these keys, each once, in their order.

    Raises:
        KeyError: a key that there is not.
    """
    return "\n\n".join(SOURCES[key].entry(key) for key in dict.fromkeys(keys)) + "\n"
