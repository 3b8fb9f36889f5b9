"""What the vendor's tools print of a board, parsed."""

from __future__ import annotations

import json

import pytest

from yolorknn.convert.tables.profile import Operator, Profile, parse_memory, parse_performance
from yolorknn.errors import BackendError

SERIAL = "0123456789ABCDEF"
NEW = """
ID   OpType           DataType Target InputShape    OutputShape   Cycles(DDR/NPU/Total)  Time(us)  RW(KB)  FullName
1    InputOperator    UINT8    CPU    \\             (1,3,64,64)   0/0/0                  25        0       images
2    ConvExSwish      INT8     NPU    (1,3,64,64)   (1,16,32,32)  9748/14400/14400       102       112     Conv:a
Total Operator Elapsed Per Frame Time(us): 12500
Total Memory Read/Write Per Frame Size(KB): 28973.5
---------------------------------------------------------------------------------------------------
OpType             CallNumber   CPUTime(us)  GPUTime(us)  NPUTime(us)  TotalTime(us)  TimeRatio(%)
---------------------------------------------------------------------------------------------------
InputOperator      1            25           0            0            25             0.20%
ConvExSwish        57           0            0            11900        11900          95.20%
exSoftmax13        1            500          75           0            575            4.60%
---------------------------------------------------------------------------------------------------
Total                           525          75           11900        12500
"""
OLD = """
Total Operator Elapsed Time(us): 12500
Total Memory RW Amount(MB): 88.4914
OpType           Call Number     CPU Time(us)    NPU Time(us)    Total Time(us)    Time Ratio(%)
ConvExSwish      57              0               11900           11900             95.2
exSoftmax13      1               500             0               500               4.6
"""


def test_reading_what_eval_perf_prints() -> None:
    found = parse_performance(NEW, where="m")
    assert found.ms == 12.5
    assert found.operators == (
        Operator("ConvExSwish", 57, 0, 0, 11.9),
        Operator("exSoftmax13", 1, 0.5, 0.075, 0),
        Operator("InputOperator", 1, 0.025, 0, 0),
    )
    assert parse_performance(OLD, where="m").operators[1] == Operator("exSoftmax13", 1, 0.5, 0, 0)
    short = parse_performance("Performance\n===\nTotal Time(us): 17219\nFPS: 58.08\n===", where="m")
    assert short.ms == 17.219 and short.operators == ()
    with pytest.raises(BackendError, match="m: eval_perf printed no time"):
        parse_performance("Performance\n====", where="m")


def test_reading_what_eval_memory_prints() -> None:
    head = "Memory Profile Info Dump\n===\nNPU model memory detail(bytes):\n"
    tail = "INFO: When evaluating memory usage, we need consider\nthe size of model, current model size is: 4.09 MiB\n"
    new = head + "    Weight Memory: 3.53 MiB\n    Internal Tensor Memory: 1.67 MiB\n    Other Memory: 473.00 KiB\n"
    expected = {"weight": 3.53, "internal": 1.67, "other": 473 / 1024, "total": 5.66}
    assert parse_memory(new + "    Total Memory: 5.66 MiB\n\n" + tail, where="m") == expected
    old = (
        head
        + "    Total Weight Memory: 6.99 MiB\n    Total Internal Tensor Memory: 5.86 MiB\n    Total Memory: 18 MiB\n"
    )
    assert parse_memory(old + tail, where="m") == {"weight": 6.99, "internal": 5.86, "total": 18}
    with pytest.raises(BackendError, match="m: eval_memory printed no sizes"):
        parse_memory(head + tail, where="m")


def test_a_profile_as_text_and_json() -> None:
    profile = Profile("m.rknn", SERIAL, 12.5, (Operator("Conv", 2, 0, 0, 11.9),), {"weight": 3.5, "total": 5.6})
    assert profile.table().splitlines() == [
        f"m.rknn on board {SERIAL}: 12.50 ms an inference, 80.0 a second",
        "operator             calls   CPU ms   GPU ms   NPU ms",
        "Conv                     2     0.00     0.00    11.90",
        "NPU memory in MiB: weight 3.50, total 5.60",
    ]
    assert json.loads(json.dumps(profile.to_json()))["operators"][0]["npu_ms"] == 11.9
