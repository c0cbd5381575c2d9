"""The comparators equal hooks on the live module, and each other where the paper says so."""

import itertools
import resource
from collections.abc import Callable, Iterator
from pathlib import Path

import head_modules
import numpy as np
import pytest
import torch
from torch import Tensor

from partlens.explainer.comparators import COMPARATORS, Target
from partlens.explainer.decompositions import Decompositions
from partlens.explainer.errors import ShapeError
from partlens.explainer.head.linearise import linearise
from partlens.explainer.head.operators import Head, Operator
from partlens.explainer.head.run import run
from partlens.explainer.model import MetricModel
from partlens.explainer.preprocessing import Preprocessing

PIXELS = torch.from_numpy(
    np.random.default_rng(3).standard_normal((4, 3, 16, 8)).astype(np.float32)
)
GAP_HEADS = ("gap", "gap, fc, bn, relu, dropout")
GATED_HEADS = ("gmp, fc", "flatten, fc", "depthwise", "parts", *GAP_HEADS)


def split(name: str) -> tuple[Head, Tensor, Target, Decompositions]:
    """A head, A of four images, each image's successor as its target, and their decompositions."""
    model = MetricModel.from_module(
        head_modules.make(name), feature_layer="stem", preprocessing=Preprocessing(16, 8), name=name
    )
    others = model.decompose_pixels(PIXELS.roll(-1, 0).numpy())
    feature = torch.from_numpy(model.backbone(PIXELS.numpy()))
    return model.head, feature, Target.images(others), others


def hooked(name: str, score: Callable[[Tensor, Tensor], Tensor]) -> tuple[Tensor, Tensor]:
    """A and its gradient as others take them: a forward hook on the live module, and backward.

    Args:
        score: of the embeddings of the explained images and of the others, one number an image.
    """
    net, kept = head_modules.make(name), list[Tensor]()

    def keep(_: object, __: object, output: Tensor) -> Tensor:
        output.retain_grad()
        kept.append(output)
        return output

    hook = net.stem.register_forward_hook(keep)
    embedding = net(PIXELS)
    hook.remove()
    torch.autograd.backward(score(embedding, embedding.detach().roll(-1, 0)).sum())
    assert kept[0].grad is not None
    return kept[0].detach(), kept[0].grad


def over_z(ours: Tensor, theirs: Tensor) -> Tensor:
    over: Tensor = (ours * theirs).sum(1) / (ours.norm(dim=1) * theirs.norm(dim=1)).detach()
    return over


@pytest.mark.parametrize("name", ["gap", "gmp, fc", "flatten, fc", "depthwise", "two branches"])
def test_gradient_maps_equal_those_of_hooks_on_the_live_module(name: str) -> None:
    head, feature, target, _ = split(name)
    a, cosine = hooked(name, torch.cosine_similarity)
    _, plain = hooked(name, over_z)
    expected = {
        "grad_cam": (cosine.mean((2, 3), keepdim=True) * a).sum(1),
        "grad_cam_no_norm": (plain.mean((2, 3), keepdim=True) * a).sum(1),
        "rgrad_cam": (plain * a).sum(1),
        "cam": (plain.sum((2, 3), keepdim=True) * a).sum(1),
    }
    for method, values in expected.items():
        torch.testing.assert_close(
            COMPARATORS[method](head, feature, target), values, rtol=1e-4, atol=1e-6
        )


@pytest.mark.parametrize("name", [*GATED_HEADS, "gem, normalised", "layer norm, gelu"])
def test_decompositions_equal_a_loop_over_images_and_positions(name: str) -> None:
    head, feature, target, others = split(name)
    contributions, bias = linearise(head, feature)
    for method, taken in (("decomposition", 0.0), ("decomposition_bias", 1.0)):
        maps = COMPARATORS[method](head, feature, target)
        for i in range(len(feature)):
            other = others.contributions[i].sum(0) + taken * others.bias[i]
            whole = others.contributions[i].sum(0) + others.bias[i]
            embedding = (contributions[i].sum(0) + bias[i]).numpy()
            z = np.linalg.norm(embedding) * np.linalg.norm(whole)
            naive = [float(c.numpy() @ other) / z for c in contributions[i]]
            np.testing.assert_allclose(maps[i].flatten().numpy(), naive, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("name", GAP_HEADS)
def test_grad_cam_without_norm_is_decomposition_with_bias_on_average_pooling(name: str) -> None:
    head, feature, target, _ = split(name)
    maps = {method: map_of(head, feature, target) for method, map_of in COMPARATORS.items()}
    torch.testing.assert_close(maps["grad_cam_no_norm"], maps["decomposition_bias"])
    torch.testing.assert_close(maps["cam"], maps["decomposition_bias"] * feature[0, 0].numel())


@pytest.mark.parametrize("name", GATED_HEADS)
def test_gradient_times_feature_is_decomposition_with_bias_on_gates_and_sums(name: str) -> None:
    head, feature, target, _ = split(name)
    torch.testing.assert_close(
        COMPARATORS["rgrad_cam"](head, feature, target),
        COMPARATORS["decomposition_bias"](head, feature, target),
    )


def test_grad_cam_without_norm_is_another_map_on_max_pooling_and_with_a_bias() -> None:
    """So the equalities above could fail."""
    head, feature, target, _ = split("gmp, fc")
    maps = {method: map_of(head, feature, target) for method, map_of in COMPARATORS.items()}
    assert not torch.allclose(maps["grad_cam_no_norm"], maps["decomposition_bias"], atol=1e-3)
    assert not torch.allclose(maps["decomposition"], maps["decomposition_bias"], atol=1e-3)
    assert not torch.allclose(maps["grad_cam"], maps["grad_cam_no_norm"], atol=1e-3)


def test_the_jacobian_form_of_the_cosine_equals_autograd() -> None:
    """Eq. 12 and 13: d cos / dA = J^T (I - e e^T) f / Z, with J = dE/dA written out in full."""
    head, feature, target, _ = split("gmp, fc")
    feature, f = feature[:1].double(), target.feature[:1].double()
    jacobian = torch.func.jacrev(lambda a: run(head, a)[0])(feature)
    embedding = run(head, feature)[0]
    e = embedding / embedding.norm()
    normalise = (torch.eye(len(e), dtype=e.dtype) - torch.outer(e, e)) / embedding.norm()
    written_out = torch.einsum("d,dk,knchw->nchw", f[0] / f.norm(), normalise, jacobian)
    leaf = feature.clone().requires_grad_()
    (by_autograd,) = torch.autograd.grad(torch.cosine_similarity(run(head, leaf), f).sum(), leaf)
    torch.testing.assert_close(written_out, by_autograd)
    grad_cam = (by_autograd.mean((2, 3), keepdim=True) * feature).sum(1)
    one = Target(f, torch.zeros_like(f), f.norm(dim=1))
    torch.testing.assert_close(COMPARATORS["grad_cam"](head, feature, one), grad_cam)


@pytest.mark.parametrize("method", COMPARATORS)
def test_a_region_is_explained_by_what_its_positions_gave(method: str) -> None:
    """Maps are linear in the target; a region of every position is the image without its bias."""
    head, feature, _, others = split("gap, fc, bn, relu, dropout")
    compare = COMPARATORS[method]
    left = torch.tensor([1.0, 0.25] * 4).expand(4, 8)
    halves = [compare(head, feature, Target.regions(others, w)) for w in (left, 1 - left + 1e-9)]
    whole = compare(head, feature, Target.regions(others, torch.ones(4, 8)))
    torch.testing.assert_close(halves[0] + halves[1], whole, rtol=1e-3, atol=1e-5)
    if method == "decomposition":
        torch.testing.assert_close(whole, compare(head, feature, Target.images(others)))


@pytest.mark.parametrize("method", COMPARATORS)
def test_one_target_explains_many_images_and_images_do_not_influence_each_other(
    method: str,
) -> None:
    head, feature, target, _ = split("gmp, fc")
    one = Target(target.feature[:1], target.bias[:1], target.norm[:1])
    together = COMPARATORS[method](head, feature, one)
    alone = [COMPARATORS[method](head, feature[i : i + 1], one) for i in range(4)]
    torch.testing.assert_close(together, torch.cat(alone))


def test_an_image_against_itself_gives_grad_cam_nothing_to_say() -> None:
    head, feature, target, _ = split("gap")
    itself = Target(target.feature.roll(1, 0), target.bias.roll(1, 0), target.norm.roll(1, 0))
    maps = COMPARATORS["grad_cam"](head, feature, itself)
    torch.testing.assert_close(maps.sum((1, 2)), torch.zeros(4), atol=1e-6, rtol=0)


def test_tokens_are_positions() -> None:
    operators = (
        Operator("mean", "pooled", "", ("feature",), {"axes": (1,), "keepdim": False}),
        Operator("linear", "out", "", ("pooled", "w", "k"), {}),
    )
    head = Head(operators, {"w": torch.randn(5, 6), "k": torch.randn(5)}, "out")
    tokens, other = torch.randn(2, 7, 6), torch.randn(2, 5)
    target = Target(other, torch.zeros_like(other), other.norm(dim=1))
    maps = {name: compare(head, tokens, target) for name, compare in COMPARATORS.items()}
    assert all(values.shape == (2, 7, 1) for values in maps.values())
    torch.testing.assert_close(maps["grad_cam_no_norm"], maps["decomposition_bias"])


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Small tensors on a busy machine: threads would wait for each other most of the time."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.usefixtures("one_thread")
def test_a_thousand_calls_leave_nothing_behind() -> None:
    """No hook, no gradient, no memory: one method that kept A would hold 21 MB after its share."""
    net = head_modules.make("gmp, fc")
    model = MetricModel.from_module(
        net, feature_layer="stem", preprocessing=Preprocessing(16, 8), name="net"
    )
    feature, target = torch.randn(512, 8, 4, 2), Target.classes(torch.randn(512, 5))

    def call(times: int) -> None:
        for compare in itertools.islice(itertools.cycle(COMPARATORS.values()), times):
            compare(model.head, feature, target)

    call(120)
    before = resident()
    call(1000)
    assert resident() - before < 12 * 2**20
    assert feature.grad is None and not feature.requires_grad
    assert all(parameter.grad is None for parameter in net.parameters())
    assert all(
        not (m._forward_hooks or m._forward_pre_hooks or m._backward_hooks) for m in net.modules()
    )


def resident() -> int:
    """Bytes of memory held now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def test_targets_that_do_not_fit_are_refused() -> None:
    head, feature, target, others = split("gap")
    with pytest.raises(ShapeError, match=r"\[N, D\], \[N, D\] and \[N\]"):
        Target(target.feature, target.bias[:1], target.norm)
    with pytest.raises(ShapeError, match="zero length"):
        Target(target.feature, target.bias, target.norm * 0)
    with pytest.raises(ShapeError, match="3 regions were given for 4 images"):
        Target.regions(others, torch.ones(3, 8))
    for method in COMPARATORS.values():
        with pytest.raises(ShapeError, match=r"targets of shape \(4, 3\) cannot explain"):
            method(head, feature, Target.classes(torch.ones(4, 3)))
        with pytest.raises(ShapeError, match="zero length"):
            method(head, feature * 0, target)
