"""The codes DOPRI5 and DOP853 of Hairer and Wanner, as SciPy has them, and SciPy's own methods, on the problems
of work-precision.png. Prints what docs/work-precision.csv holds: solver, problem, tolerance, evaluations, error.

    python3 docs/work-precision.py > docs/work-precision.csv     # SciPy 1.17.1, NumPy 2.4.6
"""

import numpy as np
from scipy.integrate import ode, solve_ivp

MU = 0.012277471


def arenstorf(t, y):
    d1 = ((y[0] + MU) ** 2 + y[1] ** 2) ** 1.5
    d2 = ((y[0] - 1 + MU) ** 2 + y[1] ** 2) ** 1.5
    return np.array([y[2], y[3],
                     y[0] + 2 * y[3] - (1 - MU) * (y[0] + MU) / d1 - MU * (y[0] - 1 + MU) / d2,
                     y[1] - 2 * y[2] - (1 - MU) * y[1] / d1 - MU * y[1] / d2])


def pleiades(t, z):
    x, y = z[:7], z[7:14]
    dx, dy = x[None, :] - x[:, None], y[None, :] - y[:, None]
    r = (dx ** 2 + dy ** 2) ** 1.5 + np.eye(7)
    m = np.arange(1, 8)
    return np.concatenate([z[14:], (m * dx / r).sum(1), (m * dy / r).sum(1)])


ORBIT = [0.994, 0, 0, -2.00158510637908252240537862224]
PROBLEMS = [
    ("arenstorf", arenstorf, 17.0652165601579625588917206249, ORBIT, ORBIT[:2]),
    ("pleiades", pleiades, 3.0,
     [3, 3, -1, -3, 2, -2, 2, 3, -3, 2, 0, 0, -4, 4, 0, 0, 0, 0, 0, 1.75, -1.5, 0, 0, 0, -1.25, 1, 0, 0],
     [0.3706139143970502, 3.237284092057233, -3.222559032418324, 0.6597091455775310, 0.3425581707156584,
      1.562172101400631, -0.7003092922212495, -3.943437585517392, -3.271380973972550, 5.225081843456543,
      -2.590612434977470, 1.198213693392275, -0.2429682344935824, 1.091449240428980]),
]

for name, f, end, start, solution in PROBLEMS:
    for tol in 10.0 ** -np.arange(4, 13):
        for code in "dopri5", "dop853":
            calls = 0

            def counted(t, y):
                global calls
                calls += 1
                return f(t, y)

            s = ode(counted).set_integrator(code, rtol=tol, atol=tol, nsteps=10**6).set_initial_value(start, 0)
            s.integrate(end)
            print(f"{code.upper()},{name},{tol:.0e},{calls},{np.linalg.norm(s.y[:len(solution)] - solution):.3e}")
        for method in "RK23", "RK45", "DOP853":
            if method == "RK23" and tol < 1e-9:
                continue
            s = solve_ivp(f, (0, end), start, method=method, rtol=tol, atol=tol)
            print(f"scipy {method},{name},{tol:.0e},{s.nfev},{np.linalg.norm(s.y[:len(solution), -1] - solution):.3e}")
