"""One contract for every model of the registry."""

from __future__ import annotations

import pytest

from tfcsi import models
from tfcsi.models.contract import Model
from tfcsi.training import run


@pytest.mark.parametrize("name", models.MODELS)
def test_a_model_declares_itself_with_the_options_of_its_builders(name):
    model = models.get(name)
    assert isinstance(model, Model) and model.name == name
    with pytest.raises(TypeError, match="unexpected keyword argument 'unknown'"):
        model.decoder((32, 32), 512, **model.options, unknown=1)


def test_builders_with_different_options_make_no_model():
    def encoder(shape, latent_dim, blocks=2):
        raise NotImplementedError

    def decoder(shape, latent_dim, blocks=3):
        raise NotImplementedError

    with pytest.raises(TypeError, match="two: the options .*'blocks': 2.*'blocks': 3"):
        Model("two", encoder, decoder)


def test_a_start_at_the_klt_is_refused_for_a_model_that_has_none(
    make_config, h, tmp_path
):
    config = make_config(model="crnet", init="klt")
    with pytest.raises(ValueError, match="init is 'klt'; the model 'crnet' has no"):
        run.train(config, tmp_path / "run", h[:300], h[300:], progress=False)
    assert not (tmp_path / "run").exists()
