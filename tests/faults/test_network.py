"""Network"""

import datetime as dt
import socket
import ssl

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from calls.evergrove.client import MAX_ANSWER_BYTES, Evergrove
from sandbox.application import DEFAULT_KEY
from tests.evergrove.peer import Peer, json_answer, reset
from tests.faults.life import QUICK, live_through, live_with, made_once

ADDRESS = "https://api.test"
HTML = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 13\r\n\r\n<html></html>"


def client_at(address, **options):
    return Evergrove(base_url=address, api_key=DEFAULT_KEY, **options)


def not_sent(lab, row):
    """No byte left, so that nothing is in doubt and nobody had to wait for two looks."""
    assert (row.possible_orphans, row.clean_looks) == (0, 0)
    assert "confirming" not in phases_of(row)
    return made_once(lab, row)


def in_doubt(lab, row):
    """It may have acted: the trigger was asked about, and the schedule counted as a possible orphan."""
    assert row.possible_orphans == 1
    assert "confirming" in phases_of(row)
    return made_once(lab, row)


def phases_of(row):
    return set(row.events.values_list("phase_to", flat=True))


# --- Before a byte has left ---


def test_connection_refused(lab):
    """Nothing was sent: each request is made again a little later, and nothing has to be asked about."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        address = f"http://127.0.0.1:{closed.getsockname()[1]}"
    with client_at(address) as bad:
        assert not_sent(lab, live_with(lab, bad))


def test_name_that_does_not_resolve(lab, monkeypatch):
    """Nothing was sent: each request is made again a little later."""

    def fail(*args, **kwargs):
        raise socket.gaierror("no such name")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with client_at(ADDRESS) as bad:
        assert not_sent(lab, live_with(lab, bad))


def test_connection_that_is_not_made_in_time(lab, monkeypatch):
    """Nothing was sent: each request is made again a little later."""

    def fail(*args, **kwargs):
        raise TimeoutError

    monkeypatch.setattr(socket, "create_connection", fail)
    with client_at(ADDRESS) as bad:
        assert not_sent(lab, live_with(lab, bad))


def test_tls_handshake_that_fails(lab):
    """Nothing was sent: no patient's data leaves without encryption, and each request is made again later."""
    with (
        Peer(lambda connection: connection.sendall(HTML)) as peer,
        client_at(f"https://{peer.address}") as bad,
    ):
        assert not_sent(lab, live_with(lab, bad))


def test_certificate_that_nobody_vouches_for(lab, tmp_path):
    """Nothing was sent to whoever answers in Evergrove's place."""
    heard = []

    def pretend(connection):
        with server_context(tmp_path).wrap_socket(connection, server_side=True) as line:
            heard.append(line.recv(1))

    with Peer(pretend) as peer, client_at(f"https://{peer.address}") as bad:
        assert not_sent(lab, live_with(lab, bad))
    assert heard == []


def server_context(folder):
    """A server with a certificate of its own making."""
    key, now = ec.generate_private_key(ec.SECP256R1()), dt.datetime.now(dt.UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    pem, file = serialization.Encoding.PEM, folder / "server.pem"
    plain = serialization.NoEncryption(), serialization.PrivateFormat.PKCS8
    file.write_bytes(certificate.public_bytes(pem) + key.private_bytes(pem, plain[1], plain[0]))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context


# --- After a byte may have left ---


def test_connection_reset_before_the_request_acted(lab):
    """A reset does not tell whether it acted: a trigger is asked about twice before it is sent again."""
    row = live_through(lab, lambda connection, request, act: reset(connection))
    assert in_doubt(lab, row)
    assert row.trigger_count == 2


def test_connection_reset_after_the_request_acted(lab):
    """The started call is found by asking and followed; it is not started a second time."""

    def script(connection, request, act):
        act(request)
        reset(connection)

    row = live_through(lab, script)
    assert in_doubt(lab, row)
    assert row.trigger_count == 1


def test_connection_closed_without_an_answer(lab):
    """Like a reset: it may have acted, so a trigger is asked about first."""
    assert in_doubt(lab, live_through(lab, lambda connection, request, act: act(request)))


def test_silence_until_the_timeout_before_the_request_acted(lab):
    """A timeout does not tell whether it acted: a trigger is asked about twice before it is sent again."""
    row = live_through(lab, silence, read_seconds=QUICK)
    assert in_doubt(lab, row)
    assert row.trigger_count == 2


def test_silence_until_the_timeout_after_the_request_acted(lab):
    """The started call is found by asking and followed; it is not started a second time."""

    def script(connection, request, act):
        act(request)
        silence(connection, request, act)

    row = live_through(lab, script, read_seconds=QUICK)
    assert in_doubt(lab, row)
    assert row.trigger_count == 1


def silence(connection, request, act):
    connection.recv(1)  # until the other side hangs up


def test_trigger_that_acts_a_minute_after_its_timeout(lab):
    """The wait before the first look is longer: the call is found, and not started a second time."""
    row = lab.scheduled()
    lab.fault("applied_late", "trigger", seconds=60.0)
    lab.run(600, step=5)
    assert made_once(lab, row)


def test_half_of_an_answers_head(lab):
    """It may have acted: a trigger is asked about first."""

    def script(connection, request, act):
        connection.sendall(act(request)[:20])

    assert in_doubt(lab, live_through(lab, script))


def test_half_of_an_answers_body(lab):
    """A 200 without its end promises nothing: a trigger is asked about first."""

    def script(connection, request, act):
        connection.sendall(act(request)[:-5])

    assert in_doubt(lab, live_through(lab, script))


def test_garbage_instead_of_json(lab):
    """A 200 that cannot be read promises nothing: a trigger is asked about first."""

    def script(connection, request, act):
        act(request)
        connection.sendall(json_answer(b'{"triggered": [\xff'))

    assert in_doubt(lab, live_through(lab, script))


def test_page_instead_of_json(lab):
    """A login or maintenance page with status 200 is no answer: a trigger is asked about first."""

    def script(connection, request, act):
        connection.sendall(HTML)

    row = live_through(lab, script)
    assert in_doubt(lab, row)
    assert row.trigger_count == 2


def test_bytes_that_are_no_http(lab):
    """Something else listens there: nothing is taken for an answer."""

    def script(connection, request, act):
        connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")

    assert in_doubt(lab, live_through(lab, script))


def test_answer_in_an_encoding_that_is_not_what_it_says(lab):
    """A 200 that cannot be unpacked promises nothing: a trigger is asked about first."""

    def script(connection, request, act):
        connection.sendall(act(request).replace(b"\r\n\r\n", b"\r\nContent-Encoding: gzip\r\n\r\n"))

    assert in_doubt(lab, live_through(lab, script))


def test_answer_without_end(lab):
    """It is cut off at 5 MB, so that no answer fills the memory; what it said is not known."""
    sent = []

    def script(connection, request, act):
        act(request)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n")
        while True:
            sent.append(connection.send(b" " * 1_048_576))

    assert in_doubt(lab, live_through(lab, script))
    assert sum(sent) < 4 * 4 * MAX_ANSWER_BYTES


def test_answer_that_takes_almost_a_minute(lab):
    """It is waited for: the row stays claimed, no other worker takes it, and nothing is in doubt."""

    def slowly(endpoint):
        lab.wire.after = lambda endpoint: None
        lab.clock.advance(55)
        lab.pulse()  # another worker
        lab.wire.after = slowly if endpoint != "trigger" else lab.wire.after

    row = lab.row()
    lab.wire.after = slowly
    lab.run(600, step=5)
    assert "confirming" not in phases_of(row)
    assert (len(lab.sent("entities")), len(lab.sent("schedule")), len(lab.sent("trigger"))) == (
        1,
        1,
        1,
    )
    assert made_once(lab, row)
