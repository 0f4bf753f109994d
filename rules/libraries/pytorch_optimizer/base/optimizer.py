"""pytorch_optimizer's base class (2.x to 4.x), as far as the optimizers of others rest on it.

Source: the package's documentation of ``pytorch_optimizer.base.optimizer``; in our own words, and never run. Options of
the helpers that are off by default (a fixed decay, AdamD, AdaNorm) are left out: each would double what is to be read.
"""

import torch
from torch.optim import Optimizer


class BaseOptimizer(Optimizer):
    def __init__(self, params, defaults):
        super().__init__(params, defaults)

    @staticmethod
    def apply_weight_decay(p, grad, lr, weight_decay, weight_decouple, fixed_decay, ratio=None):
        """Decoupled: the parameter shrinks by lr times the decay. Else: L2."""
        if weight_decouple:
            p.mul_(1.0 - weight_decay * lr * (1.0 if ratio is None else ratio))
        elif weight_decay > 0.0 and grad is not None:
            grad.add_(p, alpha=weight_decay)

    @staticmethod
    def apply_ams_bound(ams_bound, exp_avg_sq, max_exp_avg_sq, eps, exp_avg_sq_eps=1e-15):
        """The denominator, of the largest second moment so far where AMSBound is asked for."""
        if ams_bound:
            torch.maximum(max_exp_avg_sq, exp_avg_sq, out=max_exp_avg_sq)
            return max_exp_avg_sq.add(exp_avg_sq_eps).sqrt().add(eps)
        return exp_avg_sq.add(exp_avg_sq_eps).sqrt().add(eps)

    @staticmethod
    def debias(beta, step):
        """What an average that begins with zeros has gathered of its weights (Kingma & Ba 2014, section 3)."""
        return 1.0 - beta**step

    @staticmethod
    def debias_beta(beta, step):
        """The decay by which a corrected average is carried on: β·(1 − β^(t − 1)) / (1 − β^t)."""
        return (beta**step - beta) / (beta**step - 1.0)

    @staticmethod
    def apply_adam_debias(adam_debias, step_size, bias_correction1):
        """The step size with the first moment's correction (AdamD, St John 2021, leaves it out)."""
        return step_size / bias_correction1

    @staticmethod
    def get_rectify_step_size(is_rectify, step, lr, beta2, n_sma_threshold, degenerated_to_sgd):
        """RAdam's rectified step size and the length that it is made of (Liu et al. 2019, algorithm 2)."""
        step_size = lr
        n_sma = 0.0
        if is_rectify:
            n_sma_max = 2.0 / (1.0 - beta2) - 1.0
            beta2_t = beta2**step
            n_sma = n_sma_max - 2.0 * step * beta2_t / (1.0 - beta2_t)
            if n_sma >= n_sma_threshold:
                made = (n_sma - 4.0) / (n_sma_max - 4.0) * (n_sma - 2.0) / n_sma * n_sma_max / (n_sma_max - 2.0)
                step_size = lr * torch.sqrt((1.0 - beta2_t) * made)
            elif degenerated_to_sgd:
                step_size = lr
            else:
                step_size = -lr
        return step_size, n_sma

    @staticmethod
    def get_adanorm_gradient(grad, adanorm, exp_grad_norm=None, r=0.95):
        """The gradient (AdaNorm, Dubey et al. 2022, sizes it by an average of its norms)."""
        return grad

    @staticmethod
    def maximize_gradient(grad, maximize=False):
        """Turns the gradient where the objective is to grow."""

    @staticmethod
    def view_as_real(param, *states):
        """Complex arrays as pairs of real ones."""
        return (param, *states)

    @staticmethod
    def get_rms(x):
        """The root of the mean square."""
        return torch.sqrt(torch.mean(x**2))

    @staticmethod
    def validate_learning_rate(learning_rate):
        pass

    @staticmethod
    def validate_betas(betas, beta_range_type="[)", beta3_range_type="[]"):
        pass

    @staticmethod
    def validate_range(x, name, low, high, range_type="[)"):
        pass

    @staticmethod
    def validate_non_negative(x, name):
        pass

    @staticmethod
    def validate_non_positive(x, name):
        pass

    @staticmethod
    def validate_positive(x, name):
        pass

    @staticmethod
    def validate_boundary(constant, boundary, bound_type="upper"):
        pass

    @staticmethod
    def validate_step(step, step_type):
        pass

    @staticmethod
    def validate_options(x, name, options):
        pass
