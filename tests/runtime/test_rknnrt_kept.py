"""What a context leaves behind once another has taken its place."""

from __future__ import annotations

import gc
import weakref
from pathlib import Path

from tests.fakes.pictured import RUN, batch
from tests.fakes.standin import Library, needs_compiler
from yolorknn.model import rknn_file
from yolorknn.runtime.cores import open_cores

pytestmark = needs_compiler


def test_a_context_that_was_replaced_keeps_no_memory_of_outputs(library: Library, model: Path) -> None:
    library.set(FAIL=f"{RUN}:-1@2,{RUN}:-1@4")
    (session,) = open_cores(rknn_file.read(model), source=Path("m.onnx"), runtime="c", cores=[0])
    contexts = []
    for number in range(4):
        session.run(batch(number))
        contexts.append(weakref.ref(session.current()))
    gc.collect()
    assert [context() is None for context in contexts] == [True, True, False, False]
    session.close()
