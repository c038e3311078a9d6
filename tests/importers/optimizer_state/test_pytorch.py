import keras
import numpy as np
import pytest

import regraft
from regraft.core.errors import SelectorError, SourceError
from regraft.graph import names
from tests.importers.families.torch_networks import CifarResNet, shaken
from tests.importers.optimizer_state.stepping import step

torch = pytest.importorskip("torch")

KINDS = {
    "adam": lambda p: torch.optim.Adam(p, 0.01, betas=(0.8, 0.99)),
    "amsgrad": lambda p: torch.optim.Adam(p, 0.01, amsgrad=True),
    "adamw": lambda p: torch.optim.AdamW(p, 0.01, weight_decay=0.1),
    "adamax": lambda p: torch.optim.Adamax(p, 0.01),
    "sgd": lambda p: torch.optim.SGD(p, 0.01),
    "momentum": lambda p: torch.optim.SGD(p, 0.01, momentum=0.9),
    "damped": lambda p: torch.optim.SGD(p, 0.01, momentum=0.9, dampening=0.5),
    "nesterov": lambda p: torch.optim.SGD(p, 0.01, momentum=0.8, nesterov=True),
    "rmsprop": lambda p: torch.optim.RMSprop(p, 0.01),
    "centred": lambda p: torch.optim.RMSprop(p, 0.01, alpha=0.9, momentum=0.5, centered=True),
    "adagrad": lambda p: torch.optim.Adagrad(p, 0.01),
    "adadelta": lambda p: torch.optim.Adadelta(p, 0.5),
}


def stepped(module, optimizer, seed):
    generator = np.random.default_rng(seed)
    for parameter in module.parameters():
        if parameter.requires_grad:
            parameter.grad = torch.from_numpy(generator.normal(size=parameter.shape).astype("float32"))
    optimizer.step()


def trained(kind, network=lambda: CifarResNet(1, 4)):
    module = shaken(network())
    optimizer = KINDS[kind](module.parameters()) if isinstance(kind, str) else kind(module)
    for seed in range(3):
        stepped(module, optimizer, seed)
    return module, optimizer


def kept(module, optimizer, path, **more):
    torch.save({"state_dict": module.state_dict(), "optimizer": optimizer.state_dict(), **more}, path)
    return path


def as_keras(tensors, path):
    torch.save(tensors, path)
    return {name: np.asarray(v) for name, v in names.variables(regraft.open(path).model).items()}


@pytest.mark.parametrize("kind", list(KINDS))
def test_the_next_step_by_hand_is_that_of_pytorch(kind, tmp_path):
    module, optimizer = trained(kind)
    state = regraft.optimizer_state(kept(module, optimizer, tmp_path / "last.pth"))
    before = as_keras(module.state_dict(), tmp_path / "before.pth")
    stepped(module, optimizer, 9)
    after = as_keras(module.state_dict(), tmp_path / "after.pth")
    # Gradients go the way of the weights.
    given = {name: parameter.grad for name, parameter in module.named_parameters()}
    gradients = as_keras({**module.state_dict(), **given}, tmp_path / "gradients.pth")
    assert set(state.variables) == set(names.trainable(regraft.open(tmp_path / "last.pth").model))
    assert len(state.variables) == len(given)
    for name, own in state.variables.items():
        assert own.steps == (0 if own.kind == "sgd" else 3)
        # Float32 against float64: some roundings of numbers of size one.
        np.testing.assert_allclose(step(own, before[name], gradients[name]), after[name], atol=1e-6, rtol=0)


def test_nadam_has_its_moments_and_the_product_of_keras(tmp_path):
    module, optimizer = trained(lambda module: torch.optim.NAdam(module.parameters(), 0.01))
    state = regraft.optimizer_state(kept(module, optimizer, tmp_path / "last.pth"))
    live = keras.optimizers.Nadam()
    variable = keras.Variable(np.ones((2,), "float32"))
    for _ in range(3):
        live.apply([keras.ops.ones((2,))], [variable])
    own = state.variables["conv1/kernel"]
    assert own.kind == "nadam"
    assert own.scalars["u_product"] == pytest.approx(float(live._u_product), rel=1e-6)
    moment = optimizer.state[module.conv1.weight]["exp_avg"].numpy()
    np.testing.assert_array_equal(own.slots["momentum"], moment.transpose(2, 3, 1, 0))


def test_groups_keep_their_rates_and_each_variable_its_steps(tmp_path):
    def two_rates(module):
        rest = [p for name, p in module.named_parameters() if not name.startswith("linear")]
        groups = [{"params": rest, "lr": 0.001}, {"params": module.linear.parameters()}]
        return torch.optim.SGD(groups, 0.1, momentum=0.9)

    module, optimizer = trained(two_rates)
    state = regraft.optimizer_state(kept(module, optimizer, tmp_path / "last.pth"))
    for name, rate, parameter in (
        ("conv1/kernel", 0.001, module.conv1.weight),
        ("linear/kernel", 0.1, module.linear.weight),
    ):
        own, buffer = state.variables[name], optimizer.state[parameter]["momentum_buffer"].numpy()
        assert own.settings["learning_rate"] == pytest.approx(rate)
        axes = (2, 3, 1, 0)[-buffer.ndim :] if buffer.ndim == 4 else (1, 0)
        np.testing.assert_allclose(own.slots["momentum"], -rate * buffer.transpose(axes), rtol=1e-6)
    assert state.notes == (
        "the optimizer has its parameters in 2 groups; which is which, their shapes tell",
        "the file does not say how many steps were taken, on which nothing depends here; 0 is assumed",
    )


def test_a_variable_that_was_thawed_later_has_fewer_steps(tmp_path):
    module = shaken(CifarResNet(1, 4))
    module.conv1.weight.requires_grad = False
    optimizer = torch.optim.Adam(module.parameters())
    stepped(module, optimizer, 0)
    module.conv1.weight.requires_grad = True
    stepped(module, optimizer, 1)
    state = regraft.optimizer_state(kept(module, optimizer, tmp_path / "last.pth"))
    assert (state.variables["conv1/kernel"].steps, state.variables["linear/kernel"].steps) == (1, 2)


def test_only_what_was_trained_has_a_state(tmp_path):
    module, optimizer = trained(lambda module: torch.optim.Adam(module.linear.parameters()))
    state = regraft.optimizer_state(kept(module, optimizer, tmp_path / "last.pth"))
    assert list(state.variables) == ["linear/kernel", "linear/bias"]
    assert state.notes == ("the optimizer has 2 of 23 parameters; which is which, their shapes tell",)


def test_alike_parameters_in_groups_are_not_guessed(tmp_path):
    def by_block(module):
        return torch.optim.Adam([{"params": module.layer1[0].bn2.parameters()}, {"params": module.bn1.parameters()}])

    module, optimizer = trained(by_block)
    with pytest.raises(SourceError) as caught:
        regraft.optimizer_state(kept(module, optimizer, tmp_path / "last.pth"))
    assert str(caught.value).partition("can be attributed ")[2] == (
        "to variables: the optimizer has 4 of 23 parameters, and their shapes do not say which is which; known by "
        "number only, and left out: 0/exp_avg, 0/exp_avg_sq, 1/exp_avg, ... (8 in all)"
    )
    named = torch.optim.Adam([{"params": list(module.bn1.named_parameters(prefix="bn1"))}])
    stepped(module, named, 0)
    state = regraft.optimizer_state(kept(module, named, tmp_path / "named.pth"))
    moment = named.state[module.bn1.weight]["exp_avg"].numpy()
    np.testing.assert_array_equal(state.variables["bn1/gamma"].slots["momentum"], moment)


def test_a_schedule_that_ended_at_zero_does_not_erase_the_momentum(tmp_path):
    module = shaken(CifarResNet(1, 4))
    optimizer = torch.optim.SGD(module.parameters(), 0.1, momentum=0.9)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 2)
    for seed in range(2):
        stepped(module, optimizer, seed)
        schedule.step()
    assert optimizer.param_groups[0]["lr"] == 0
    state = regraft.optimizer_state(kept(module, optimizer, tmp_path / "last.pth"))
    own = state.variables["linear/bias"]
    buffer = optimizer.state[module.linear.bias]["momentum_buffer"].numpy()
    np.testing.assert_allclose(own.slots["momentum"], -0.1 * buffer, rtol=1e-6)
    assert "a schedule has brought the learning rate to 0; 0.1, which it began with, is taken" in state.notes


def test_a_decay_in_the_gradient_is_told(tmp_path):
    module, optimizer = trained(lambda module: torch.optim.SGD(module.parameters(), 0.1, 0.9, weight_decay=0.01))
    state = regraft.optimizer_state(kept(module, optimizer, tmp_path / "last.pth"))
    assert "weight decay of 0.01 is in the gradient, and is not among the settings" in state.notes
    assert "weight_decay" not in state.variables["linear/bias"].settings


def test_what_keras_does_not_have_is_told(tmp_path):
    module, optimizer = trained(lambda module: torch.optim.ASGD(module.parameters()))
    with pytest.raises(
        SourceError,
        match=r"the state of unknown is left out \(conv1.weight, bn1.weight, bn1.bias, ... \(23 in all\)\): Keras",
    ):
        regraft.optimizer_state(kept(module, optimizer, tmp_path / "last.pth"))


class Own(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = torch.nn.Conv2d(1, 3, 3)
        self.lstm = torch.nn.Linear(3, 5)

    def forward(self, x):
        return self.lstm(torch.relu(self.conv(x)).mean((2, 3)))


def test_a_network_of_ones_own_in_the_names_of_a_model(tmp_path):
    module, optimizer = trained("momentum", Own)
    path = kept(module, optimizer, tmp_path / "own.pth")
    with pytest.raises(
        SourceError, match=r"does not say which network it is of; give the model that the state is for: "
    ):
        regraft.optimizer_state(path)
    model = keras.Sequential(
        [keras.Input((8, 8, 1)), keras.layers.Conv2D(3, 3, name="conv"), keras.layers.GlobalAveragePooling2D()]
    )
    with pytest.raises(SelectorError):
        regraft.optimizer_state(path, keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)]))
    model.add(keras.layers.Dense(5, name="top"))
    rules = {r"conv\.weight": "conv/kernel", r"conv\.bias": "conv/bias", r"lstm\.(bias)": r"top/\1"}
    state = regraft.optimizer_state(path, model)
    buffers = {name: optimizer.state[p]["momentum_buffer"].numpy() for name, p in module.named_parameters()}
    for ours, theirs, axes in (("conv/kernel", "conv.weight", (2, 3, 1, 0)), ("top/kernel", "lstm.weight", (1, 0))):
        expected = -0.01 * buffers[theirs].transpose(axes)
        np.testing.assert_allclose(state.variables[ours].slots["momentum"], expected, rtol=1e-6)
    part = regraft.optimizer_state(path, model, rules=rules)
    assert set(part.variables) == {"conv/kernel", "conv/bias", "top/bias"}
    assert part.notes[-1] == (
        "the state of lstm.weight is left out: these are in no variable of the network as they are"
    )


def test_in_bfloat16(tmp_path):
    module = shaken(CifarResNet(1, 4)).to(torch.bfloat16)
    optimizer = torch.optim.Adam(module.parameters())
    for parameter in module.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    state = regraft.optimizer_state(kept(module, optimizer, tmp_path / "last.pth"))
    own, moment = state.variables["linear/kernel"], optimizer.state[module.linear.weight]["exp_avg"]
    assert own.slots["momentum"].dtype == np.float32
    np.testing.assert_array_equal(own.slots["momentum"], moment.float().numpy().T)
