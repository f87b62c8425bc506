"""Where callbacks may go: what is a URL, and which hosts a configuration allows."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from sqsjobs import CallbackRefused, Callbacks, ConfigurationError, Webhook
from sqsjobs.callbacks.destinations import Destination, HostPattern


@pytest.mark.parametrize(
    ("url", "destination"),
    [
        ("https://shop.example/hooks/jobs", "https://shop.example"),
        ("https://SHOP.example:443?a=b", "https://shop.example"),
        ("https://shop.example:8443", "https://shop.example:8443"),
        ("http://127.0.0.1:8080/", "http://127.0.0.1:8080"),
        ("https://[2606:4700::1111]/x", "https://[2606:4700::1111]"),
        ("https://a_b.xn--bcher-kva.example/", "https://a_b.xn--bcher-kva.example"),
    ],
)
def test_a_url_leads_to_a_scheme_a_host_and_a_port(url, destination):
    assert str(Destination.of(url)) == destination


@pytest.mark.parametrize(
    "url",
    [
        "",
        "shop.example/hooks",
        "ftp://shop.example/",
        "file:///etc/passwd",
        "https://",
        "https:///hooks",
        "https://user:pass@shop.example/",
        "https://shop.example@evil.example/",
        "https://shop.example\\@evil.example/",
        "https://shop.example#@evil.example/",
        "https://shop.example/#fragment",
        "https://shop.example/a b",
        "https://shop.example/\r\nX: y",
        "https://shop.example/\n",
        "https://shop.example.",
        "https://shop..example/",
        "https://bücher.example/",
        "https://shop.example:0/",
        "https://shop.example:65536/",
        "https://shop.example:/",
        "https://2130706433/",
        "https://0x7f000001/",
        "https://0177.0.0.1/",
        "https://127.1/",
        "https://0x7f.0.0.0x1/",
        "https://127.0.0.01/",
        "https://[::1%25eth0]/",
        "https://[::ffff:0:1::]/",
        "https://[shop.example]/",
        "https://shop.example/" + "x" * 2048,
    ],
)
def test_what_two_parsers_might_read_in_two_ways_is_no_url_of_a_callback(url):
    """S21: users, fragments, backslashes, and addresses written as numbers."""
    with pytest.raises(CallbackRefused) as refused:
        Destination.of(url)
    assert "s3cret" not in str(refused.value)
    assert refused.value.code == "CallbackRefused"


@given(st.from_regex(r"https?://[!-~]{1,40}", fullmatch=True))
def test_who_follows_a_url_reads_the_same_host_in_it(url):
    """S21: aiohttp's parser agrees on whatever was let through."""
    try:
        destination = Destination.of(url)
    except CallbackRefused:
        return
    followed = URL(url, encoded=True)
    assert (followed.scheme, (followed.host or "").lower(), followed.port) == (
        destination.scheme,
        destination.host,
        destination.port,
    )
    assert followed.user is None


def allows(pattern, url):
    return HostPattern.parse(pattern).fits(Destination.of(url))


def test_a_host_is_allowed_for_https_at_its_own_port():
    assert allows("shop.example", "https://shop.example/x")
    assert allows("Shop.Example", "https://SHOP.example/x")
    for other in (
        "http://shop.example/",
        "https://shop.example:8443/",
        "https://a.shop.example/",
        "https://xshop.example/",
    ):
        assert not allows("shop.example", other)


def test_a_scheme_and_a_port_are_allowed_where_they_are_said():
    assert allows("https://shop.example:8443", "https://shop.example:8443/")
    assert allows("http://127.0.0.1:8080", "http://127.0.0.1:8080/")
    assert not allows("http://127.0.0.1:8080", "https://127.0.0.1:8080/")


def test_a_star_stands_for_names_and_for_no_address():
    assert allows("*.shop.example", "https://a.b.shop.example/")
    assert not allows("*.shop.example", "https://shop.example/")
    assert not allows("*.shop.example", "https://evilshop.example/")
    assert allows("*", "https://whoever.example/")
    assert not allows("*", "https://8.8.8.8/")
    assert not allows("*", "http://whoever.example/")


@pytest.mark.parametrize("pattern", ["", "https://", "shop.example/path", "*shop.example", "*.127.0.0.1", "127.1", 3])
def test_a_pattern_that_cannot_be_is_refused_where_it_is_said(pattern):
    with pytest.raises(ConfigurationError, match="is no host that callbacks may go to"):
        HostPattern.parse(pattern)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"hosts": []}, "hosts is a list"),
        ({"hosts": "shop.example"}, "hosts is a list"),
        ({"hosts": ["*"], "keys": "whsec_x"}, "keys is a list"),
        ({"hosts": ["*"], "keys": ["nonsense"]}, "written whsec_"),
        ({"hosts": ["*"], "keys": ["whsec_c2hvcnQ="]}, "24 to 64 random bytes"),
        ({"hosts": ["*"], "keys": ["whpk_" + "Q" * 43]}, "keys sign, and whpk_… only verifies"),
        ({"hosts": ["*"], "keys": ["shop.example=whpk_" + "Q" * 43]}, "keys sign, and whpk_… only verifies"),
        ({"hosts": ["*"], "keys": [3]}, "written whsec_"),
        ({"hosts": ["*"], "networks": ["10.0.0.0/99"]}, "networks are such as"),
        ({"hosts": ["*"], "timeout": 61}, "timeout is up to 60"),
        ({"hosts": ["*"], "result_bytes": 262_145}, "result_bytes is 0 to 262,144"),
        ({"hosts": ["*"], "retry": 3}, "retry is a Retry"),
    ],
)
def test_options_that_cannot_be_say_what_they_may_be(options, problem):
    with pytest.raises(ConfigurationError, match=problem):
        Callbacks(**options)


def test_keys_of_one_host_go_before_those_of_all():
    own, common = "whsec_" + "QQ" * 16, "whsec_" + "Qg" * 16
    callbacks = Callbacks(hosts=["*"], keys=[common, f"shop.example={own}"])
    for host, key in (("shop.example", own), ("other.example", common)):
        signed = callbacks.webhook(Destination.of(f"https://{host}/")).headers("msg_1", 1, b"{}")
        assert Webhook(key).verify(b"{}", signed, now=1) == {}
    with pytest.raises(ConfigurationError, match="no key to sign"):
        Callbacks(hosts=["*"], keys=[f"shop.example={own}"]).webhook(Destination.of("https://other.example/"))
    assert own not in repr(callbacks)


@pytest.mark.parametrize("host", ["wholesale.example", "whsec.example", "*.wh.example", "https://wh.example:8443"])
def test_hosts_of_whatever_name_may_have_keys_of_their_own(host):
    own, common = "whsec_" + "QQ" * 16, "whsec_" + "Qg" * 16
    callbacks = Callbacks(hosts=[host], keys=[f"{host}={own}", common])
    there = Destination.of(f"https://{host.removeprefix('https://').replace('*', 'a')}/")
    signed = callbacks.webhook(there).headers("msg_1", 1, b"{}")
    assert Webhook(own).verify(b"{}", signed, now=1) == {}


@pytest.mark.parametrize("joined", ["{}={}", " {}={}", "{}\n={}"])
def test_two_keys_that_are_written_as_one_are_quoted_in_no_error(joined):
    secret = "whsec_" + "QQ" * 16
    with pytest.raises(ConfigurationError) as no:
        Callbacks(hosts=["*"], keys=[joined.format(secret, "whsec_" + "Qg" * 16)])
    assert "QQQQ" not in str(no.value)


@pytest.mark.parametrize(
    ("hosts", "owners", "without"),
    [
        (["a.example", "b.example"], ["a.example"], "b.example"),
        (["*.shop.example"], ["a.shop.example"], r"\*.shop.example"),
        (["*"], ["*.shop.example"], r"\*"),
        (["shop.example", "https://shop.example:8443"], ["shop.example"], "https://shop.example:8443"),
        (["https://192.0.2.1"], ["*"], "https://192.0.2.1"),
        (["a.example"], [], "a.example"),
        (["a.example", "b.example"], ["a.example", "b.example"], None),
        (["*.a.shop.example", "b.shop.example", "*.shop.example"], ["*.shop.example"], None),
        (["*", "*.shop.example", "a.example"], ["*"], None),
        (["a.example", "*"], ["a.example", None], None),
    ],
)
def test_every_host_needs_a_key(hosts, owners, without):
    """The first host that has none is named; a worker that starts can sign whatever it may post."""
    key = "whsec_" + "QQ" * 16
    callbacks = Callbacks(hosts=hosts, keys=[f"{owner}={key}" if owner else key for owner in owners])
    if without is None:
        callbacks.check_keys()
    else:
        with pytest.raises(ConfigurationError, match=f"no key to do it with for {without}: give the workers"):
            callbacks.check_keys()
