"""What an estimator alone computes, as layers: the last step of a pipeline."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from yolorknn.convert.dense import ACTIVATIONS, Activation, Dense
from yolorknn.errors import ConversionError
from yolorknn.integrations.sklearn.surroundings import Ending


@dataclass(frozen=True)
class Network:
    """An estimator's layers, and what their values mean."""

    layers: tuple[Dense, ...]
    ending: Ending
    classes: NDArray[Any] | None = None
    decides: bool = False
    flat: bool = False
    shift: NDArray[np.float64] | None = None
    """What is to be taken from the columns first."""


def takers() -> dict[type, Callable[[Any], Network]]:
    """Return what makes a network of an estimator, by its class."""
    from sklearn.cluster import KMeans
    from sklearn.decomposition import PCA, TruncatedSVD
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.linear_model import ElasticNet, LinearRegression, LogisticRegression, Ridge, RidgeClassifier
    from sklearn.neural_network import MLPClassifier, MLPRegressor
    from sklearn.svm import LinearSVC

    return {
        MLPClassifier: _mlp_classifier,
        MLPRegressor: _mlp_regressor,
        LogisticRegression: _probable,
        LinearDiscriminantAnalysis: _probable,
        LinearSVC: _margins,
        RidgeClassifier: _margins,
        LinearRegression: _regressor,
        Ridge: _regressor,
        ElasticNet: _regressor,  # Lasso is one
        PCA: pca,
        TruncatedSVD: svd,
        KMeans: _kmeans,
    }


def _mlp(network: Any) -> tuple[Dense, ...]:
    hidden: Activation = network.activation
    if hidden not in ACTIVATIONS:
        raise ConversionError(f"activation '{hidden}' is not one of {', '.join(ACTIVATIONS)}")
    last = len(network.coefs_) - 1
    pairs = zip(network.coefs_, network.intercepts_, strict=True)
    return tuple(dense(w.T, b, "identity" if i == last else hidden) for i, (w, b) in enumerate(pairs))


def _mlp_classifier(network: Any) -> Network:
    endings: dict[str, Ending] = {"softmax": "softmax", "logistic": "sigmoid"}
    ending = endings[network.out_activation_]
    if ending == "sigmoid" and network.coefs_[-1].shape[1] > 1:
        ending = "labels"
    return Network(_mlp(network), ending, np.asarray(network.classes_))


def _mlp_regressor(network: Any) -> Network:
    endings: dict[str, Ending] = {"identity": "identity", "exp": "exp"}
    if network.out_activation_ not in endings:
        raise ConversionError(f"the MLPRegressor's output has activation '{network.out_activation_}': identity goes")
    return Network(_mlp(network), endings[network.out_activation_], flat=network.n_outputs_ == 1)


def _probable(model: Any) -> Network:
    """Return what says one of several classes, which scikit-learn before 1.8 may have fitted one by one."""
    ending: Ending = "sigmoid" if len(model.classes_) == 2 else "softmax"
    told = getattr(model, "multi_class", "auto")
    if ending == "sigmoid" and told == "multinomial":
        raise ConversionError(
            f"a {type(model).__name__} of two classes with multi_class='multinomial' does not go: fit it without that"
        )
    if ending == "softmax" and (told == "ovr" or (told != "multinomial" and model.solver == "liblinear")):
        ending = "shares"
    return Network(_linear(model), ending, np.asarray(model.classes_), decides=True)


def _margins(model: Any) -> Network:
    if getattr(model, "_label_binarizer", None) is not None and model._label_binarizer.y_type_.startswith("multilabel"):
        raise ConversionError(f"a {type(model).__name__} of several labels at once does not go: an MLPClassifier does")
    return Network(_linear(model), "margin", np.asarray(model.classes_), decides=True)


def _regressor(model: Any) -> Network:
    return Network(_linear(model), "identity", flat=np.ndim(model.coef_) == 1)


def _linear(model: Any) -> tuple[Dense, ...]:
    weights = model.coef_.toarray() if hasattr(model.coef_, "toarray") else np.asarray(model.coef_)
    weights = np.atleast_2d(weights)
    return (dense(weights, np.broadcast_to(np.ravel(model.intercept_), len(weights))),)


def pca(model: Any) -> Network:
    """Return the projection, about the mean, which stays on the CPU."""
    scale = np.ones(len(model.components_))
    if model.whiten:
        scale = np.sqrt(model.explained_variance_)
        scale = np.where(scale > np.finfo(scale.dtype).eps, scale, np.finfo(scale.dtype).eps)
    layer = dense(model.components_ / scale[:, None], np.zeros(len(scale)))
    return Network((layer,), "transform", shift=np.asarray(model.mean_, np.float64))


def svd(model: Any) -> Network:
    """Return the projection."""
    return Network((dense(model.components_, np.zeros(len(model.components_))),), "transform")


def _kmeans(model: Any) -> Network:
    """Return what gives |x - c|^2 - |x|^2 = |c|^2 - 2 c.x; about the centres' middle, where the numbers are small."""
    centres = np.asarray(model.cluster_centers_, np.float64)
    middle = centres.mean(0)
    about = centres - middle
    return Network((dense(-2 * about, (about**2).sum(1)),), "distances", shift=middle)


def shifted(layers: Sequence[Dense], shift: NDArray[np.float64]) -> tuple[Dense, ...]:
    """Return layers that take the columns before the shift was taken from them."""
    first = layers[0]
    return (dense(first.weights, first.bias - first.weights @ shift, first.activation), *layers[1:])


def dense(weights: NDArray[Any], bias: NDArray[Any], activation: Activation = "identity") -> Dense:
    """Return a layer in float32."""
    return Dense(np.asarray(weights, np.float32), np.asarray(bias, np.float32).copy(), activation)
