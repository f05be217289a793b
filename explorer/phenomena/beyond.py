"""Surfaces beyond supervised learning: returns, games, differential equations, tasks in turn."""

from collections.abc import Sequence

import numpy as np

from explorer.kinds.game import GAME
from explorer.kinds.game_result import Game, GameRole
from explorer.kinds.game_settings import GameSettings
from explorer.kinds.line import LINE, Line, LineSettings
from explorer.kinds.result import Result
from explorer.kinds.sharpness import SHARPNESS
from explorer.kinds.sharpness_result import Sharpness
from explorer.kinds.sharpness_settings import SharpnessSettings
from explorer.kinds.surface import SURFACE, Surface, SurfaceSettings
from explorer.phenomena.phenomenon import (
    Group,
    Phenomenon,
    Proof,
    SampleQuestion,
    SampleSubject,
    answer_of,
    number_of,
)

POLICY = (SampleSubject("cartpole"),)
GAN_START, GAN = SampleSubject("gan", step=0), SampleSubject("gan")
SLOW, FAST = SampleSubject("pinn_b1"), SampleSubject("pinn_b30")
ALONG = LineSettings(x_count=21)
RESIDUAL_ROWS = 400  # of the samples' points, the first of them
RESIDUAL_TOP = SharpnessSettings(measures=("lambda_max",), subset="first", examples=RESIDUAL_ROWS)
TASKS = ("plasticity_00", "plasticity_06", "plasticity_12")
SUMS = SharpnessSettings(measures=("trace", "frobenius"), probes=50)


def _cliff_proofs(results: Sequence[Result]) -> list[Proof]:
    upright = answer_of(results, 0, Surface).values["return"]
    jumps = [np.abs(np.diff(upright, axis=axis)).max() for axis in (0, 1)]
    few, more = (answer_of(results, place, Line).values["return"] for place in (1, 2))
    return [
        Proof(
            "return of the policy itself, in steps",
            float(upright[upright.shape[0] // 2, upright.shape[1] // 2]),
            200.0,
            expected="200, the longest episode",
        ),
        Proof(
            "largest jump of the return between neighbours of the grid",
            float(max(jumps)),
            100.0,
            expected="a cliff (measured before: 161)",
        ),
        Proof(
            "lowest return on the plane",
            float(upright.min()),
            high=20.0,
            expected="about 9: the pole falls at once",
        ),
        Proof(
            "largest difference of the return of eight episodes from that of 64, on a line",
            float(np.abs(few - more).max()),
            10.0,
            expected="noise that looks like roughness (measured before: deviation 9.8)",
        ),
    ]


def _gan_proofs(results: Sequence[Result]) -> list[Proof]:
    game = answer_of(results, 0, Game)
    places, cosines = game.along(GameRole.PATH_ANGLE)
    after = places[(places > 0.5) & (cosines > 0)]
    return [
        Proof(
            "largest imaginary part of the Jacobian's eigenvalues",
            number_of(results, 0, "largest_imaginary"),
            1.0,
            expected="far from 0: the players rotate (measured before: 3.92)",
        ),
        Proof(
            "lowest eigenvalue of a player's own Hessian",
            number_of(results, 0, "lowest_player_eigenvalue"),
            high=-0.01,
            expected="below 0: no Nash equilibrium (measured before: -.05 and -.06)",
        ),
        Proof(
            "where the path-angle turns positive, in ways from start to point",
            float(after.min()) if len(after) else float("nan"),
            0.9,
            1.15,
            "about 1, at the point itself (Berard et al. 2020)",
        ),
        Proof(
            "largest absolute path-angle on the way to the point",
            float(np.abs(cosines[places <= 1]).max()),
            high=0.5,
            expected="far from -1: the field leads across the way, not along it",
        ),
    ]


def _pinn_proofs(results: Sequence[Result]) -> list[Proof]:
    lines = [answer_of(results, place, Line) for place in (0, 1)]
    middle = lines[0].x.size // 2
    errors = [float(np.sqrt(line.values["error"][0][middle])) for line in lines]
    residuals = [line.values["residual"][0] for line in lines]
    steep = [float(line.values["residual"][0].max() / line.loss[0].max()) for line in lines]
    return [
        Proof(
            "relative error of the solution at speed 1",
            errors[0],
            high=0.01,
            expected="solved (measured before: .002)",
        ),
        Proof(
            "the same at speed 30",
            errors[1],
            0.5,
            expected="not solved: 0 has an error of 1 (measured before: .996)",
        ),
        Proof(
            "largest eigenvalue of the residual term alone, speed 30 over speed 1",
            number_of(results, 3, "lambda_max") / number_of(results, 2, "lambda_max"),
            10.0,
            expected="many times larger (measured before: 630 against 26)",
        ),
        Proof(
            "largest residual term on the line, speed 30 over speed 1",
            float(residuals[1].max() / residuals[0].max()),
            450.0,
            expected="about the square of the ratio of speeds, 900, or more",
        ),
        Proof(
            "share of the residual in the loss at the steep end, speed 30 less speed 1",
            steep[1] - steep[0],
            0.3,
            expected="at speed 30 it drowns the initial condition",
        ),
    ]


def _plasticity_proofs(results: Sequence[Result]) -> list[Proof]:
    tasks = [answer_of(results, place, Sharpness) for place in range(len(TASKS))]
    learned = [task.facts.accuracy or float("nan") for task in tasks]
    ranks = [(task.of("trace").value / task.of("frobenius").value) ** 2 for task in tasks]
    return [
        Proof(
            "accuracy after the first task",
            learned[0],
            0.9,
            expected="a fresh network learns 400 random labels (measured before: .51 to .65)",
        ),
        Proof(
            "accuracy after the 13th task of the same sort",
            learned[-1],
            high=0.25,
            expected="it hardly learns any more (measured before: .18); .1 is guessing",
        ),
        Proof(
            "effective rank of the Hessian after the task, 13th over first",
            ranks[-1] / ranks[0],
            high=0.4,
            expected="the spectrum collapses (measured before: 32 over 572, of another rank)",
        ),
        Proof(
            "the same, seventh over first",
            ranks[1] / ranks[0],
            high=0.7,
            expected="in between",
        ),
    ]


BEYOND = (
    Phenomenon(
        name="return-cliffs",
        title="The return of a policy has cliffs",
        group=Group.BEYOND,
        text=(
            "A policy of 49 weights that keeps a pole upright for 200 steps, and the mean return "
            "of 64 episodes on a plane around it; drawn is what is missing of it. There is a "
            "plateau of full return, and from one point of the grid to the next the pole falls at "
            "once. The gradient on the plateau is zero and warns of nothing."
        ),
        loose=(
            "A return is a mean over episodes. Where each point draws its own, or few, the surface "
            "looks rough by chance; here all points have the same 64 first states. That some "
            "methods fall off cliffs and others do not was shown on other environments."
        ),
        sources=("Sullivan et al. 2022",),
        seconds=9,
        questions=(
            SampleQuestion(SURFACE, SurfaceSettings(x_count=15, y_count=15), POLICY, "plane"),
            SampleQuestion(
                LINE, LineSettings(x_count=21, subset="first", examples=8), POLICY, "8 episodes"
            ),
            SampleQuestion(LINE, ALONG, POLICY, "64 episodes"),
        ),
        prove=_cliff_proofs,
        rows=("0.74",),
    ),
    Phenomenon(
        name="gan-rotation",
        title="A GAN comes to rest where no player is at its minimum",
        group=Group.BEYOND,
        text=(
            "A generator and a discriminator trained in turn until they imitate numbers of two "
            "modes. The Jacobian of their vector field has eigenvalues far off the real line: near "
            "the end they turn around each other. Both players' own Hessians have negative "
            "eigenvalues, so this is a minimum for neither. On the way from start to end the field "
            "points nearly across, and its path-angle changes sign at the end."
        ),
        loose=(
            "The gradients there are not zero: training rests by its small steps, not at a "
            "stationary point. The bump of the path-angle at the end, which rotation makes in "
            "larger GANs, does not stand out here; the change of sign does. With a penalty on the "
            "discriminator's gradient the rotation is less: see the game of two numbers."
        ),
        sources=("Berard et al. 2020", "Mescheder et al. 2018", "Balduzzi et al. 2018"),
        seconds=1.1,
        questions=(SampleQuestion(GAME, GameSettings(), (GAN, GAN_START)),),
        prove=_gan_proofs,
        rows=("0.75",),
    ),
    Phenomenon(
        name="pinn-residual",
        title="A differential operator makes the surface steep, and training fails",
        group=Group.BEYOND,
        text=(
            "A network that is to solve the convection equation from its residual, its initial and "
            "its boundary condition. At speed 1 it does. At speed 30 the residual carries the "
            "speed squared: its curvature is many times larger, it outweighs the other terms, and "
            "training ends at a function that starts as the initial condition and fades to 0: its "
            "residual is small and its error is not."
        ),
        loose=(
            "The loss is low at speed 30 too, so that a small loss proves no solution. It is a "
            "failure of training, not of the network: longer training, a slow increase of the "
            "speed or other weights of the terms help in the literature; a short increase did not "
            "here."
        ),
        sources=("Krishnapriyan et al. 2021", "Rathore et al. 2024"),
        seconds=0.4,
        questions=(
            SampleQuestion(LINE, ALONG, (SLOW,), "speed 1"),
            SampleQuestion(LINE, ALONG, (FAST,), "speed 30"),
            SampleQuestion(SHARPNESS, RESIDUAL_TOP, (SLOW, SLOW), "residual alone, speed 1"),
            SampleQuestion(SHARPNESS, RESIDUAL_TOP, (FAST, FAST), "residual alone, speed 30"),
        ),
        prove=_pinn_proofs,
        rows=("0.76",),
    ),
    Phenomenon(
        name="loss-of-plasticity",
        title="A network that learns task after task ends up unable to learn",
        group=Group.BEYOND,
        text=(
            "The same 400 digits with labels drawn anew for each task, 150 steps each. The first "
            "is learnt by heart, the 13th hardly at all. Curvature falls with it: the effective "
            "rank of the Hessian is smaller from task to task, and few directions are left in "
            "which the loss changes."
        ),
        loose=(
            "Effective rank is here (sum of eigenvalues)² over the sum of their squares, by random "
            "probes; other definitions give other numbers. It is taken where each task ends: at "
            "its start even a fresh network has a low one. That both fall together does not say "
            "which is the cause. Weight decay and starting anew help."
        ),
        sources=("Lyle et al. 2023",),
        seconds=1.8,
        questions=tuple(
            SampleQuestion(
                SHARPNESS,
                SUMS,
                (SampleSubject(name), SampleSubject(name, step=0)),
                f"task {int(name[-2:])}",
            )
            for name in TASKS
        ),
        prove=_plasticity_proofs,
        rows=("0.77",),
    ),
)
