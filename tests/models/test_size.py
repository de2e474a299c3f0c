"""Networks that are too large are refused before they take memory."""

import pytest

from tfcsi.models import size


@pytest.mark.parametrize(
    ("name", "shape", "latent_dim", "options", "words"),
    [
        ("csinet", (32, 32), 2049, {}, "at most the 2048 reals of a matrix"),
        ("csinet", (32, 32), 10**8, {}, "latent_dim is 100000000; it must be at most"),
        ("csinet", (4096, 4096), 512, {}, "33,554,432 reals a matrix; the limit is"),
        ("csinet", (4096, 2048), 512, {}, "encoder of csinet would have 8,589,9"),
        ("csinet", (32, 32), 512, {"blocks": 65537}, "network.blocks is 65537; the"),
        ("csi_inr", (32, 32), 512, {"widths": (60000, 60000)}, "csi_inr would have"),
    ],
)
def test_a_network_that_is_too_large_is_refused(
    name, shape, latent_dim, options, words
):
    with pytest.raises(ValueError, match=words):
        size.check(name, shape, latent_dim, options)


@pytest.mark.parametrize(
    ("name", "shape", "latent_dim", "options"),
    [
        ("csinet", (32, 32), 2048, {}),
        ("csinet", (256, 1024), 1024, {}),
        ("transnet", (32, 32), 512, {"hidden": 4096}),
        ("csinet_dnn", (32, 32), 512, {"hidden": (4096, 4096)}),
    ],
)
def test_a_large_network_within_the_limits_is_taken(name, shape, latent_dim, options):
    size.check(name, shape, latent_dim, options)
