"""Images: where they may come from, what is decoded, and how they are brought to a model's size."""

import base64
import io
import struct
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from coterie.features import fetching, images
from coterie.features.fetching import BadImage, ImageSource, hosts_of
from coterie.features.images import ImageEncoder, decode, prepare
from coterie.features.manifest import ImageTower
from coterie.features.models import open_model
from tiny import data_uri, two_towers

RED = (250, 5, 5)
CONTENT = base64.b64decode(data_uri(RED).partition(",")[2])


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/elsewhere":
            self.send_response(302)
            self.send_header("Location", "/image.png")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(200 if self.path == "/image.png" else 404)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(CONTENT)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def url() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_an_image_comes_from_its_data_or_from_an_allowed_host(url: str) -> None:
    allowed = ImageSource(hosts_of(" 127.0.0.1 , Images.Example"), private_addresses=True)
    assert allowed.load(data_uri(RED)) == CONTENT
    assert allowed.load(f"{url}/image.png") == CONTENT
    with pytest.raises(BadImage, match="404"):
        allowed.load(f"{url}/none.png")
    with pytest.raises(BadImage, match="redirects are not followed"):
        allowed.load(f"{url}/elsewhere")


def test_no_host_is_allowed_unless_it_is_named_and_none_that_is_inside_without_more(url: str) -> None:
    with pytest.raises(BadImage, match=r"not fetched from '127.0.0.1': COTERIE_IMAGE_HOSTS"):
        ImageSource().load(f"{url}/image.png")
    with pytest.raises(BadImage, match="not public"):
        ImageSource(["127.0.0.1"]).load(f"{url}/image.png")
    with pytest.raises(BadImage, match="no user or password"):
        ImageSource(["127.0.0.1"]).load("http://127.0.0.1@evil.example/x")
    with pytest.raises(BadImage, match=r"evil\.example"):
        ImageSource(["127.0.0.1"]).load("http://evil.example/127.0.0.1")


def test_what_is_too_long_is_cut_off(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "MAX_BYTES", len(CONTENT) - 1)
    with pytest.raises(BadImage, match="longer than"):
        ImageSource(["127.0.0.1"], True).load(f"{url}/image.png")


@pytest.mark.parametrize("given", ["", "x.png", "file:///etc/passwd", "data:text/html;base64,AA", "data:image/png,AA"])
def test_nothing_else_is_an_image(given: str) -> None:
    with pytest.raises(BadImage):
        ImageSource(["x"], True).load(given)


@pytest.mark.parametrize("content", [b"", b"GIF89a", CONTENT[:50], b"<svg/>", CONTENT[:-20].replace(b"IDAT", b"IDOT")])
def test_what_cannot_be_decoded_is_told(content: bytes) -> None:
    with pytest.raises(BadImage):
        decode(content)


def test_a_bomb_is_not_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = io.BytesIO()
    Image.new("1", (20_000, 20_000)).save(bomb, "PNG")
    assert len(bomb.getvalue()) < 100_000
    with pytest.raises(BadImage, match="pixels"):
        decode(bomb.getvalue())
    monkeypatch.setattr(images, "MAX_PIXELS", 20 * 30 - 1)
    with pytest.raises(BadImage, match="20 x 30 pixels"):
        decode(CONTENT)


def test_images_are_upright_and_in_colour() -> None:
    held = Image.new("L", (4, 2), 90)
    content = io.BytesIO()
    held.save(content, "JPEG", exif=Image.Exif())
    turned = Image.Exif()
    turned[0x0112] = 6
    rotated = io.BytesIO()
    held.save(rotated, "JPEG", exif=turned)
    assert (decode(content.getvalue()).mode, decode(content.getvalue()).size) == ("RGB", (4, 2))
    assert decode(rotated.getvalue()).size == (2, 4)


def test_damaged_camera_data_is_ignored() -> None:
    held, orientation = Image.new("RGB", (4, 2), RED), Image.Exif()
    orientation[0x0112] = 6
    orientation[0x011A] = 2.5
    whole = orientation.tobytes()
    sizes = set()
    for at in range(6, len(whole)):
        content = io.BytesIO()
        held.save(content, "PNG", exif=whole[:at] + b"\xff" + whole[at + 1 :])
        sizes.add(decode(content.getvalue()).size)
    assert sizes == {(4, 2), (2, 4)}


def test_whatever_a_decoder_trips_over_is_the_images_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    def damaged(*_: object) -> None:
        raise struct.error("unpack requires a buffer of 4 bytes")

    monkeypatch.setattr("PIL.PngImagePlugin.PngImageFile.load", damaged)
    with pytest.raises(BadImage, match="unpack requires"):
        decode(CONTENT)


def test_an_image_that_memory_does_not_hold_fails_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = ImageEncoder(open_model([two_towers(tmp_path)], None, "folder"))
    given = [data_uri(RED), data_uri(RED, (21, 31)), data_uri(RED)]

    def full(content: bytes) -> Image.Image:
        image = decode(content)
        if image.size == (21, 31):
            raise MemoryError
        return image

    monkeypatch.setattr(images, "decode", full)
    found, failed = encoder.encode(given, ImageSource())
    assert failed == {1: "the image takes more memory than there is"}
    assert found.any(axis=1).tolist() == [True, False, True]


@pytest.mark.parametrize("size", [(1, 30_000_000), (30_000_000, 1), (3, 7), (1, 1)])
def test_no_image_is_scaled_beyond_what_the_model_sees(size: tuple[int, int]) -> None:
    tower = ImageTower(model="m", size=(224, 160))
    assert prepare(Image.new("RGB", size), tower).shape == (3, 160, 224)


def test_pixels_are_what_the_manifest_says() -> None:
    image = Image.new("RGB", (60, 30), (255, 0, 51))
    image.paste((0, 0, 0), (0, 0, 15, 30))  # beside the middle square
    tower = ImageTower(model="m", size=(8, 8), mean=(0.5, 0.5, 0.5), std=(0.5, 0.25, 0.1), interpolation="nearest")
    cut = prepare(image, tower)
    assert cut.shape == (3, 8, 8)
    np.testing.assert_allclose(cut, np.broadcast_to(np.array([1, -2, -3])[:, None, None], (3, 8, 8)), atol=1e-5)
    stretched = prepare(image, tower.model_copy(update={"resize": "stretch", "layout": "NHWC"}))
    assert stretched.shape == (8, 8, 3)
    np.testing.assert_allclose(stretched[:, :2], np.broadcast_to([-1, -2, -5], (8, 2, 3)), atol=1e-5)
    wide = prepare(image, tower.model_copy(update={"size": (10, 4)}))
    assert wide.shape == (3, 4, 10)
