"""The arithmetic of derivatives: whether they are right, and what they say of a function.

All are functions of a function and of its parameters, whatever framework wrote it:

    print(check_gradients(lambda params: loss(params, batch), params))
"""

from jaxvision.inspect.gradients.check import check_gradients
from jaxvision.inspect.gradients.curvature import (
    Eigenpairs,
    TraceEstimate,
    hessian_vector_product,
    hutchinson_trace,
    top_eigenvalues,
)
from jaxvision.inspect.gradients.flow import gradient_flow, plot_gradient_flow
from jaxvision.inspect.gradients.modes import JacobianCosts, jacobian_costs, plot_mode_costs
from jaxvision.inspect.gradients.numerical import central_differences, complex_step
from jaxvision.inspect.gradients.per_example import per_example_gradients
from jaxvision.inspect.gradients.report import Element, GradientCheck, LeafCheck

__all__ = [
    "Eigenpairs",
    "Element",
    "GradientCheck",
    "JacobianCosts",
    "LeafCheck",
    "TraceEstimate",
    "central_differences",
    "check_gradients",
    "complex_step",
    "gradient_flow",
    "hessian_vector_product",
    "hutchinson_trace",
    "jacobian_costs",
    "per_example_gradients",
    "plot_gradient_flow",
    "plot_mode_costs",
    "top_eigenvalues",
]
