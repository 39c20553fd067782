"""Almgren and Chriss, "Optimal execution of portfolio transactions" (Journal of Risk 3, 2000), section 2.

X units are sold (bought) in N slices of length tau; x_k are left after slice k, n_k = x_(k-1) - x_k. With a price that moves by
sigma sqrt(tau) a slice, a permanent impact gamma n_k, and a temporary impact epsilon + eta n_k / tau of each slice, the cost has

    E[x] = gamma X^2 / 2 + epsilon X + (eta - gamma tau / 2) / tau * sum n_k^2        (their equations 5 and 8)
    V[x] = sigma^2 tau sum x_k^2                                                      (their equation 6)

and E + lambda V is least where  (x_(k-1) - 2 x_k + x_(k+1)) / tau^2 = kappa~^2 x_k  with  kappa~^2 = lambda sigma^2 /
(eta - gamma tau / 2)  (their equations 14 to 16), that is x_k = X sinh(kappa (T - t_k)) / sinh(kappa T). Here the recurrence itself
is solved, in whole numbers: u_0 = 0, u_1 = 1, u_(m+1) = (2 + kappa~^2 tau^2) u_m - u_(m-1), x_k = X u_(N-k) / u_N. No sinh, so that
every machine finds the same lots. lambda = 0 is a TWAP.
"""

from __future__ import annotations

from fractions import Fraction

from engine.model.algo_terms import E18, Shortfall

SECOND_NS = 10**9
# curvature is kept to so many parts: 1e-15 of a lot's share at most, over a thousand slices
SCALE = 10**18
# beyond this all is sold in the first slice anyhow
CURVATURE_MAX = 10**9


def curvature(terms: Shortfall) -> Fraction:
    """kappa~^2 tau^2, a pure number: how much the trajectory bends from slice to slice."""
    tau_s = Fraction(terms.duration_ns, terms.slices * SECOND_NS)
    impact = Fraction(terms.temporary_impact_e18, E18) - Fraction(terms.permanent_impact_e18, E18) * tau_s / 2
    risk = Fraction(terms.risk_aversion_e18, E18) * Fraction(terms.volatility_e8, 10**8) ** 2
    return risk * tau_s**2 / impact


def shares(terms: Shortfall) -> tuple[int, ...]:
    """Weights of the slices: n_k of the optimal trajectory in parts of 10^-18 of the quantity, whose sum is the whole."""
    return shares_of(curvature(terms), terms.slices)


def shares_of(bend: Fraction, slices: int) -> tuple[int, ...]:
    """The same by kappa~^2 tau^2."""
    scaled = int(min(bend, Fraction(CURVATURE_MAX)) * SCALE)
    left = [0, SCALE]
    for _ in range(slices - 1):
        left.append(((2 * SCALE + scaled) * left[-1]) // SCALE - left[-2])
    whole = left[slices]
    after = [SCALE * left[slices - number] // whole for number in range(slices + 1)]
    return tuple(after[number] - after[number + 1] for number in range(slices))
