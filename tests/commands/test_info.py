"""tfcsi info: what a model costs, what a packet says, and what is refused."""

import pathlib

import pytest

import tfcsi
from tfcsi import models
from tfcsi.__main__ import main
from tfcsi.coding.packet_file import read_file
from tfcsi.models import complexity

RUN = pathlib.Path(__file__).parents[1] / "golden" / "workdirs" / "csinet_rates"


def info(*arguments):
    return main(["tfcsi", "info", *arguments])


def test_info_of_a_model_tells_the_cost_of_both_sides(capsys):
    flags = ["--latent_dim=64", "--shape=16,16", "--network=noise_path=released"]
    assert info("cllwcsinet", *flags) == 0
    shown = capsys.readouterr().out
    decoder = models.get("cllwcsinet").decoder((16, 16), 64, noise_path="released")
    cost = complexity.count(decoder)
    *_, heading, ue, bs = (line.split() for line in shown.splitlines())
    assert heading == ["parameters", "MACs", "activations"] and ue[0] == "UE"
    assert bs[2:] == [f"{cost[k]:,}" for k in ("params", "macs", "activations")]


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["csinet", "--packet=0"], 2, "--packet goes with a file of packets; csinet"),
        (["csinet", "--codec=a"], 2, "--workdir goes with a file of packets"),
        ([".", "--packet=0"], 2, "--packet goes with a file of packets; . is a work"),
        ([".", "--shape=8,8"], 2, "--shape goes with a model; . is a workdir"),
        (["csinett"], 1, "csinett does not exist; nor is it a model: acrnet,"),
        (["path"], 1, "or a codec of the zoo: "),
        (["csinet", "--shape=32"], 2, "--shape=32; give num_tx,num_delay"),
        (["csinet", "--shape=0,8"], 2, "--shape=0,8; give"),
        (["csinet", "--latent_dim=0"], 2, "--latent_dim=0: 0 is not a positive"),
        (["csinet", "--network=x"], 2, "--network=x; give key=value"),
        (["csinet", "--network=blok=1"], 2, "'network.blok'; did you mean 'blocks'?"),
        (["csinet", "--latent_dim=100000000"], 2, "latent_dim is 100000000; it mu"),
        (["csinet", "--shape=100000,100000"], 2, "reals a matrix; the limit is"),
        (["csinet", "--network=blocks=100000"], 2, "network.blocks is 100000; the "),
        (["csi_inr", "--network=widths=60000"], 2, "it must be a tuple of integers"),
        (["cllwcsinet", "--network=noise_path=no"], 1, "noise_path is 'no'; it must"),
    ],
)
def test_a_model_that_cannot_be_built_is_refused(arguments, status, words, capsys):
    assert info(*arguments) == status
    assert words in capsys.readouterr().err


def test_a_packet_of_many_rates_names_its_rate(capsys):
    assert info(str(RUN / "packets.tcsi"), "--packet=0", f"--workdir={RUN}") == 0
    codec, packet = tfcsi.load(RUN), read_file(RUN / "packets.tcsi")[1][0]
    rate = codec.receive([packet])[0][0, 0]
    expected = f"rate     {rate} of 0 to 4: step {codec.steps[rate]:.4g}"
    assert expected in capsys.readouterr().out
