"""What `--help` shows: commands and options in groups, and examples."""

from __future__ import annotations

from typing import Any

from typer.core import TyperCommand, TyperGroup

from yolorknn.cli.usage import erring_in

GROUPS = {
    "to make a model, on a PC": ("calibrate", "export", "build", "precompile", "sklearn"),
    "to see how good it is": ("analyze", "compare", "val"),
    "to run it": ("deploy", "fleet", "detect", "watch", "run", "mqtt", "node"),
    "to look at things": ("info", "doctor", "bench"),
    "to install the vendor's compiler": ("toolkit",),
}
EXAMPLES = {
    "": ("export v8n.pt --dataset images/", "detect camera0 --model v8n-rk3588-i8.rknn"),
    "calibrate": ("calibrate clip.mp4 -n 100 -o calibration/", "calibrate camera0"),
    "export": (
        "export v8n.pt --dataset images/",
        "export v8n.pt --platform rk3566",
        "export v8n.pt --for frigate --imgsz 320",
    ),
    "build": (
        "build v8n.onnx --dataset images/",
        "build any.onnx --generic --dtype fp16",
        "build gelu.onnx --generic --custom-op gelu.py:cstGelu",
    ),
    "precompile": ("precompile v8n-rv1126-u8.rknn --device",),
    "sklearn": (
        "sklearn iris.skops iris.rknn",
        "sklearn digits.joblib digits.rknn --trust --dtype i8 --data digits.npy",
    ),
    "analyze": ("analyze v8n-rk3588-i8.rknn", "analyze v8n.onnx --dataset images/ --plot layers.png"),
    "compare": ("compare v8n-rk3588-i8.rknn", "compare resnet18.onnx --input image=cat.jpg"),
    "val": (
        "val v8n.onnx --data data.yaml",
        "val v8n.pt v8n-rk3588-i8.rknn --data data.yaml --simulate",
        "val v8n-rk3588-i8.rknn --data data.yaml --simulate --ray auto",
    ),
    "deploy": (
        "deploy v8n-rk3588-i8.rknn rock@192.168.1.20",
        "deploy v8n-rk3588-i8.rknn board --service camera0",
        "deploy v8n-rk3588-i8.rknn --hosts hosts.txt --canary 2",
        "deploy v8n-rk3588-i8.rknn --hosts hosts.txt --rollback",
    ),
    "fleet": ("fleet status hosts.txt", "fleet status hosts.txt --json"),
    "detect": (
        "detect images/ --model v8n.onnx",
        "detect 'images/*.jpg' --model v8n.onnx --no-save --json -",
        "detect rtsp://camera.local/live --model v8n-rk3588-i8.rknn",
        "detect large.jpg --model v8n.onnx --tile 640",
        "detect images/ --model v8n.onnx --ray local -o rows/",
        "detect camera0 --model v8n-rk3588-i8.rknn --track --line gate=0.5,0,0.5,1 --zone door=0,0.5,0.3,0.5,0.3,1,0,1",
        "detect camera0 --model v8n-rk3588-i8.rknn --serve 8080",
    ),
    "watch": ("watch site.toml", "watch site.toml --check"),
    "run": (
        "run resnet18.onnx --input cat.jpg --mean 124,116,104 --std 58,57,57 --top 5 --names imagenet.txt",
        "run two-rk3588-i8.rknn --input image=cat.jpg --input ids=ids.npy --simulate --save out.npz",
    ),
    "mqtt": ("mqtt", "mqtt --clean", "mqtt mqtt://me@broker.local --clean"),
    "node": ("node", "node 192.168.1.10:6379"),
    "info": ("info v8n-rk3588-i8.rknn", "info v8n.pt --json"),
    "doctor": ("doctor", "doctor --model v8n-rk3588-i8.rknn"),
    "bench": ("bench v8n-rk3588-i8.rknn", "bench v8n.onnx --npu-ms 20 --cores 3"),
    "toolkit": ("toolkit install", "toolkit install 2.5.0 --python python3.11", "toolkit list"),
}
"""By command, without the program's name."""


_SECTIONS = {
    "What is kept": ("conf", "iou", "classes", "max_det", "agnostic_nms"),
    "Inputs": ("inputs", "picture_mean", "picture_std"),
    "Quantization": (
        "dtype", "dataset", "algorithm", "method", "auto_hybrid", "float16", "float16_below", "config", "mean", "std",
        "optimization_level",
    ),
    "Accuracy asked for": ("data", "max_drop", "metric", "mmse", "ray"),
    "Small objects in large frames": ("tile", "overlap"),
    "Objects from frame to frame": ("track", "zone", "line"),
    "Several boards": ("hosts", "canary", "at_once", "resume", "rollback"),
    "How boards are reached": ("port", "ssh_option"),
    "Many images on many machines": ("address", "shards", "column"),
    "Where it runs": ("simulate", "device", "device_id", "runtime", "contexts", "npu_ms", "cores"),
    "A page in the browser": ("serve", "serve_token"),
    "Results": ("save_to", "top",
        "output", "name", "save", "json_file", "as_json", "csv", "csv_file", "rotate", "keep", "plot", "masks", "rows",
        "record", "snapshots", "crops", "webhook", "mqtt", "board", "every", "quota",
    ),
}  # fmt: skip
"""Options by what they are about, by the names of their parameters."""
_FEW = 2


class Command(TyperCommand):
    """A command whose options are shown by what they are about."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the words."""
        with erring_in(ctx):
            return super().parse_args(ctx, args)

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write arguments, options of no section, and the sections of which there are several."""
        groups: dict[str, list[tuple[str, str]]] = {title: [] for title in ("Arguments", "Options", *_SECTIONS)}
        titles = {name: title for title, names in _SECTIONS.items() for name in names}
        shown = {name: sum(other.name in names for other in self.params) for name, names in _SECTIONS.items()}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            title = titles.get(parameter.name or "", "Options")
            if parameter.param_type_name == "argument":
                title = "Arguments"
            elif shown.get(title, 0) < _FEW:
                title = "Options"
            if record is not None:
                groups[title].append(record)
        for title, records in groups.items():
            if records:
                with formatter.section(title):
                    formatter.write_dl(records)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Write the examples."""
        _write_examples(self.name or "", formatter)


class Group(TyperGroup):
    """The commands in groups."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the words before the command."""
        with erring_in(ctx):
            return super().parse_args(ctx, args)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write them by group, each with the beginning of its help."""
        limit = formatter.width - 8 - max(map(len, self.commands))
        with formatter.section("Commands"):
            for title, names in GROUPS.items():
                with formatter.section(title):
                    formatter.write_dl([(name, self.commands[name].get_short_help_str(limit)) for name in names])

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Write the examples."""
        _write_examples("", formatter)


def _write_examples(name: str, formatter: Any) -> None:
    with formatter.section("Examples"):
        for example in EXAMPLES[name]:
            formatter.write(f"  yolorknn {example}\n")
