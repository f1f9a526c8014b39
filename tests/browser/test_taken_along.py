"""What a reader keeps verifies itself with the network off; and a verifier site, hosted by anybody, takes it under a
policy of its own. The command reads the same files."""

import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import Page

from tests.browser import axe
from tests.browser.scenes import Scene
from tests.browser.serving import POLICY_TEXT, Reader, bundle_of, shown
from tests.browser.test_page import photograph, section, text
from tests.network import Network, run
from tests.world import LOT


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A verifier site for the scenes' policy, as its page on a disk."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "pinned.txt").write_text(POLICY_TEXT)
    run("client_sdk.commands", "verifier-site", str(folder / "site"), "--policy", str(folder / "pinned.txt"))
    assert (folder / "site" / "policy.txt").read_text() == POLICY_TEXT
    return folder / "site" / "index.html"


def save(reader: Reader, scene: Scene, folder: Path) -> Path:
    page = reader.scan(scene)
    with page.expect_download() as download:
        page.click("#save")
    assert re.fullmatch(r"suyuan-[\w-]+-\d{12}\.html", download.value.suggested_filename)
    download.value.save_as(folder / "saved.html")
    page.close()
    reader.asked.clear()
    return folder / "saved.html"


def opened(reader: Reader, file: Path) -> Page:
    page = reader.page()
    page.goto(file.as_uri())
    return shown(page)


def test_a_saved_page_verifies_itself_with_the_network_off(reader: Reader, tmp_path: Path) -> None:
    file = save(reader, reader.scenes["recalled-ingredient"], tmp_path)
    reader.context.set_offline(True)
    page = opened(reader, file)
    assert page.evaluate("isSecureContext")
    assert text(page, "h1") == "已召回"
    assert "结论只到 2025-12-10" in text(page, "section.verdict")
    assert "保存的文件也可能被人伪造" in section(page, "谁在说话")
    assert page.locator("#save").count() == 0
    assert axe.violations(page) == []
    page.click("#language")
    assert text(page, "h1") == "Recalled"
    photograph(page, "saved-en")
    assert [url for url in reader.asked if not url.startswith("file:")] == []


def test_a_saved_page_with_another_proof_in_it_is_red(reader: Reader, tmp_path: Path) -> None:
    file = save(reader, reader.scenes["recalled-ingredient"], tmp_path)
    page = file.read_text()
    forged = page.replace(json.loads(bundle_of(reader.scenes["recalled-ingredient"]))["proof"],
                          json.loads(bundle_of(reader.scenes["good"]))["proof"])  # fmt: skip
    assert forged != page
    file.write_text(forged)
    assert text(opened(reader, file), "h1") == "核验未通过"
    reader.asked.clear()


def test_the_command_reads_a_saved_page_a_bundle_and_a_proof(reader: Reader, tmp_path: Path) -> None:
    scene = reader.scenes["recalled-ingredient"]
    save(reader, scene, tmp_path)
    (tmp_path / "bundle.json").write_text(bundle_of(scene))
    (tmp_path / "file.suyuan-proof").write_bytes(b"suyuan product proof v1\n" + scene.proof)
    (tmp_path / "policy.txt").write_text(POLICY_TEXT)
    (tmp_path / "nothing.html").write_text("<html>")
    policy = ("--policy", str(tmp_path / "policy.txt"), "--json")
    for name in ("saved.html", "bundle.json", "file.suyuan-proof"):
        told = run("client_sdk.commands", "verify", scene.path, "--file", str(tmp_path / name), *policy, check=False)
        assert json.loads(told.stdout)["verdict"] == "recalled", told.stderr
        assert told.returncode == 1
    told = run(
        "client_sdk.commands", "verify", scene.path, "--file", str(tmp_path / "nothing.html"), *policy, check=False
    )
    assert "a saved page, a JSON bundle or a proof file is expected" in told.stderr
    assert told.returncode == 1


def give(page: Page, name: str, data: bytes) -> None:
    page.set_input_files("#file", {"name": name, "mimeType": "application/octet-stream", "buffer": data})


def files_of(scene: Scene, saved: bytes) -> dict[str, bytes]:
    return {
        "saved.html": saved,
        "bundle.json": bundle_of(scene).encode(),
        "file.suyuan-proof": b"suyuan product proof v1\n" + scene.proof,
    }


def test_a_verifier_site_takes_every_file_with_the_network_off(reader: Reader, site: Path, tmp_path: Path) -> None:
    scene = reader.scenes["held"]
    saved = save(reader, scene, tmp_path).read_bytes()
    reader.context.set_offline(True)
    page = opened(reader, site)
    assert axe.violations(page) == []
    photograph(page, "site-zh")
    for name, data in files_of(scene, saved).items():
        if name.endswith("proof"):
            give(page, name, data)
            page.wait_for_selector("#told:not(:empty)")
            assert "请填入扫描到的链接" in text(page, "#told")
            page.fill("#code", scene.path)
        give(page, name, data)
        page.wait_for_selector("section.verdict")
        assert text(page, "h1") == "暂停销售"
        assert "不依赖任何节点" in section(page, "谁在说话")
        page.click("button:has-text('核验另一个')")
    give(page, "picture.png", b"\x89PNG")
    assert "这个文件不是" in text(page, "#told")
    assert [url for url in reader.asked if not url.startswith("file:")] == []


def test_a_verifier_site_believes_its_own_policy_and_the_typed_code_alone(reader: Reader, site: Path) -> None:
    scene = reader.scenes["held"]
    other = json.dumps(json.loads(bundle_of(scene)) | {"policy": "log nobody"})
    page = opened(reader, site)
    give(page, "bundle.json", other.encode())
    page.wait_for_selector("section.verdict")
    assert text(page, "h1") == "暂停销售"
    page.click("button:has-text('核验另一个')")
    page.fill("#code", reader.scenes["good"].path)
    give(page, "bundle.json", other.encode())
    page.wait_for_selector("section.verdict")
    assert text(page, "h1") == "核验未通过"
    reader.asked.clear()


@pytest.mark.parametrize(
    "code", ["(00)069000001000000004", "06900000000014 BADLOT", "https://x.example/01/06900000000014/10/BAD%LOT"]
)
def test_a_code_that_cannot_be_read_is_not_passed_over(reader: Reader, site: Path, code: str) -> None:
    page = opened(reader, site)
    page.fill("#code", code)
    give(page, "bundle.json", bundle_of(reader.scenes["good"]).encode())
    page.wait_for_selector("#told:not(:empty)")
    assert "读不出来" in text(page, "#told")
    assert page.locator("section.verdict").count() == 0
    reader.asked.clear()


def test_a_verifier_site_is_not_told_by_a_bundle_that_a_voucher_opens_nothing(reader: Reader, site: Path) -> None:
    scene = reader.scenes["good"]
    page = opened(reader, site)
    page.fill("#code", f"https://x.example{scene.path}")
    give(page, "bundle.json", bundle_of(reader.scenes["good-code-alone"]).encode())
    page.wait_for_selector("section.verdict.careful")
    assert text(page, "h1") == "凭证没有打开任何一处"
    assert "只核验了条码本身" in text(page, "section.verdict")
    reader.asked.clear()


def test_a_verifier_site_fetches_what_a_scanned_link_leads_to(reader: Reader, node: Network, tmp_path: Path) -> None:
    policy = str(node.data / "policy.txt")
    run("client_sdk.commands", "verifier-site", str(tmp_path), "--policy", policy)
    page = opened(reader, tmp_path / "index.html")
    product, lot = LOT.split("#")
    page.fill("#code", f"{reader.url}/01/{product}/10/{lot}")
    page.keyboard.press("Enter")
    page.wait_for_selector("section.verdict")
    assert text(page, "h1") == "未发现问题"
    assert "截至" in text(page, "section.verdict")
    page.click("button:has-text('核验另一个')")
    page.fill("#code", "https://nobody.invalid/01/06900000000014/10/A1")
    page.keyboard.press("Enter")
    page.wait_for_selector("#told:not(:empty)")
    assert "nobody.invalid" in text(page, "#told")
    assert "保存页面或下载证明" in text(page, "#told")
    reader.asked.clear()
    reader.wrong.clear()  # the browser tells of the host that is not there


def test_a_policy_without_a_quorum_makes_no_site(tmp_path: Path) -> None:
    (tmp_path / "policy.txt").write_text(POLICY_TEXT.replace("quorum validators", "quorum none"))
    command = ("verifier-site", str(tmp_path / "site"), "--policy", str(tmp_path / "policy.txt"))
    told = run("client_sdk.commands", *command, check=False)
    assert "a saved file needs a policy with a quorum" in told.stderr
    assert told.returncode == 1
    assert not (tmp_path / "site").exists()
