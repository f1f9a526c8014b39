"""One node for all tales of a session, and a tale of its own for each test. When all are told the node is audited:
every rule executed again, every quantity counted from the records alone."""

from collections.abc import Iterator

import pytest

from client_sdk.audit import audit_folder
from tests.stories.stage import Stage, Tale


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    stage = Stage(tmp_path_factory.mktemp("stage"))
    yield stage
    findings = audit_folder(stage.network.data, lambda height, records: None)
    height = stage.regulator.node_info().height
    stage.close()
    assert findings[0].detail == f"{height} blocks"
    assert [found for found in findings if not found.holds] == []


@pytest.fixture
def tale(stage: Stage) -> Iterator[Tale]:
    tale = Tale(stage)
    yield tale
    tale.close()
