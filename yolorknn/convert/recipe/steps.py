"""The toolkit's calls that build a model, in order, and what is ours between them."""

from __future__ import annotations

from typing import Any

from yolorknn.convert.recipe import hybrid, ranges
from yolorknn.convert.recipe.plan import BuildPlan
from yolorknn.convert.toolkit.toolkit import Rknn, Toolkit
from yolorknn.model import rknn_file
from yolorknn.model.interface import Interface, interface_of


def built(toolkit: Toolkit, plan: BuildPlan, *, custom_string: str | None = None, verbose: bool = False) -> Rknn:
    """Return an RKNN that has built the model.

    Args:
        toolkit: a child process, which is told its first calls.
        plan: what to build.
        custom_string: text that the .rknn is to hold.
        verbose: whether the layer table is printed into the log; check*.onnx are left in the scratch folder then.

    Raises:
        BuildError: a call failed, or an option names a tensor that is not there.
        MissingDependencyError: onnxruntime, which measures ranges, is not installed.
    """
    build = _Build(toolkit, plan, custom_string, verbose)
    return build.in_two_steps() if plan.options.hybrid else build.in_one_step()


def configuration(plan: BuildPlan, custom_string: str | None) -> dict[str, Any]:
    """Return the arguments of RKNN.config()."""
    options = plan.options
    settings = {
        "target_platform": plan.platform,
        "optimization_level": options.optimization_level,
        **options.config,
    }
    if plan.metadata is not None:
        mean, std = (list(values[: plan.metadata.channels]) for values in (plan.metadata.mean, plan.metadata.std))
        settings = {**settings, "mean_values": [mean], "std_values": [std]}
    if custom_string is not None:
        settings["custom_string"] = custom_string
    if plan.dtype == "i8":
        algorithm = "normal" if options.algorithm in ("mean", "auto") else options.algorithm
        settings |= {"quantized_algorithm": algorithm, "quantized_method": options.method}
    return settings


def interface_of_built(rknn: Rknn, plan: BuildPlan) -> Interface:
    """Return the interface of what was built: of a generic model, whatever its format, as the .rknn states it."""
    if plan.interface is not None:
        return plan.interface
    made = plan.scratch / "interface.rknn"
    rknn.do("export_rknn", export_path=made)
    return interface_of(rknn_file.read(made))


class _Build:
    """The calls of one build."""

    def __init__(self, toolkit: Toolkit, plan: BuildPlan, custom_string: str | None, verbose: bool) -> None:
        self.toolkit, self.plan, self.verbose = toolkit, plan, verbose
        self.configuration = configuration(plan, custom_string)
        self.batch = plan.options.batch if plan.options.batch > 1 else None

    def in_one_step(self) -> Rknn:
        rknn = self._loaded()
        rknn.do(
            "build",
            do_quantization=self.plan.dtype == "i8" and self.plan.calibration is not None,
            dataset=self.plan.calibration,
            rknn_batch_size=self.batch,
            auto_hybrid=self.plan.options.auto_hybrid,
        )
        return rknn

    def in_two_steps(self) -> Rknn:
        """Build by a quantization.cfg with ranges and float16 layers of ours."""
        options, scratch = self.plan.options, self.toolkit.scratch
        if options.algorithm != "mean" or self.plan.calibration is None or self.plan.observed is None:
            self._first_step(self.plan.calibration)
        else:
            self._first_step(ranges.seen(self.plan.calibration))
            self.toolkit.begin("measuring ranges")
            found, left = hybrid.mean_ranges(scratch, self.plan.observed())
            if left:
                self.toolkit.log.write(f"ranges of the toolkit's own, from all images, for {' '.join(left)}")
                self._first_step(self.plan.calibration)
            hybrid.put_ranges(scratch, found)
        files = hybrid.keep_float16(scratch, options.float16)
        rknn = self._configured()
        rknn.do("hybrid_quantization_step2", **files)
        return rknn

    def _first_step(self, calibration: object) -> None:
        options = self.plan.options
        rknn = self._loaded()
        rknn.do(
            "hybrid_quantization_step1",
            dataset=calibration,
            rknn_batch_size=self.batch,
            proposal=options.proposal > 0,
            proposal_dataset_size=options.proposal or 1,
            custom_hybrid=options.custom_hybrid or None,
        )
        rknn.forget()

    def _configured(self) -> Rknn:
        rknn = self.toolkit.rknn(verbose=self.verbose)
        rknn.do("config", **self.configuration)
        for op in self.plan.custom_ops:
            rknn.do("reg_custom_op", custom_op=op)
        return rknn

    def _loaded(self) -> Rknn:
        rknn = self._configured()
        rknn.do(self.plan.loader, **self.plan.load)
        return rknn
