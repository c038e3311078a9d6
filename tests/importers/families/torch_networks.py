"""Networks as PyTorch modules in the names of torchvision and timm, of any width and depth: the originals of the tests.

Names and arithmetic are those of the published code; the numbers of parameters at true size, which the tests check,
are those that torchvision states.
"""

from math import ceil

import torch
from torch import nn
from torch.nn import functional


class Basic(nn.Module):
    def __init__(self, inputs, width, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        if stride > 1 or inputs != width:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, width, 1, stride, bias=False), nn.BatchNorm2d(width))

    def forward(self, x):
        y = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))
        return torch.relu(y + (self.downsample(x) if hasattr(self, "downsample") else x))


class Bottleneck(nn.Module):
    def __init__(self, inputs, width, stride, groups=1):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, 1, groups=groups, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, 4 * width, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * width)
        if stride > 1 or inputs != 4 * width:
            self.downsample = nn.Sequential(
                nn.Conv2d(inputs, 4 * width, 1, stride, bias=False), nn.BatchNorm2d(4 * width)
            )

    def forward(self, x):
        y = torch.relu(self.bn1(self.conv1(x)))
        y = self.bn3(self.conv3(torch.relu(self.bn2(self.conv2(y)))))
        return torch.relu(y + (self.downsample(x) if hasattr(self, "downsample") else x))


class ResNet(nn.Module):
    def __init__(self, counts, width=64, deep=False, classes=1000, groups=1, channels=3):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        inputs = width
        for stage, count in enumerate(counts):
            blocks = []
            for index in range(count):
                stride = 2 if stage and not index else 1
                wide = width << stage
                blocks.append(Bottleneck(inputs, wide, stride, groups) if deep else Basic(inputs, wide, stride))
                inputs = wide * (4 if deep else 1)
            setattr(self, f"layer{stage + 1}", nn.Sequential(*blocks))
        if classes:
            self.fc = nn.Linear(inputs, classes)

    def forward(self, x):
        x = functional.max_pool2d(torch.relu(self.bn1(self.conv1(x))), 3, 2, 1)
        x = self.layer4(self.layer3(self.layer2(self.layer1(x)))).mean((2, 3))
        return self.fc(x) if hasattr(self, "fc") else x


class CifarBlock(nn.Module):
    def __init__(self, inputs, width, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.stride, self.more = stride, width - inputs

    def forward(self, x):
        y = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))
        if self.stride > 1:
            half = self.more // 2
            x = functional.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, half, self.more - half))
        return torch.relu(y + x)


class CifarResNet(nn.Module):
    def __init__(self, count, width=16, classes=10):
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        for stage in range(3):
            wide = width << stage
            blocks = [
                CifarBlock(wide // 2 if stage and not index else wide, wide, 2 if stage and not index else 1)
                for index in range(count)
            ]
            setattr(self, f"layer{stage + 1}", nn.Sequential(*blocks))
        self.linear = nn.Linear(4 * width, classes)

    def forward(self, x):
        x = self.layer3(self.layer2(self.layer1(torch.relu(self.bn1(self.conv1(x))))))
        return self.linear(x.mean((2, 3)))


VGG_COUNTS = {"vgg11": (1, 1, 2, 2, 2), "vgg13": (2, 2, 2, 2, 2), "vgg16": (2, 2, 3, 3, 3), "vgg19": (2, 2, 4, 4, 4)}


class Vgg(nn.Module):
    """`head` may be `torchvision`, `timm`, `cut` (without the last layer) or empty."""

    def __init__(self, counts, width=64, normed=False, hidden=4096, classes=1000, head="torchvision"):
        super().__init__()
        layers, inputs = [], 3
        for stage, count in enumerate(counts):
            for _ in range(count):
                wide = width << min(stage, 3)
                layers.append(nn.Conv2d(inputs, wide, 3, padding=1))
                layers += [nn.BatchNorm2d(wide), nn.ReLU()] if normed else [nn.ReLU()]
                inputs = wide
            layers.append(nn.MaxPool2d(2, 2))
        self.features = nn.Sequential(*layers)
        if head in ("torchvision", "cut"):
            last = [] if head == "cut" else [nn.Linear(hidden, classes)]
            self.classifier = nn.Sequential(
                *(nn.Linear(49 * inputs, hidden), nn.ReLU(), nn.Dropout()),
                *(nn.Linear(hidden, hidden), nn.ReLU(), nn.Dropout()),
                *last,
            )
        elif head == "timm":
            self.pre_logits = nn.Module()
            self.pre_logits.fc1 = nn.Conv2d(inputs, hidden, 7)
            self.pre_logits.fc2 = nn.Conv2d(hidden, hidden, 1)
            self.head = nn.Module()
            self.head.fc = nn.Linear(hidden, classes)

    def forward(self, x):
        x = self.features(x)
        if hasattr(self, "classifier"):
            return self.classifier(functional.adaptive_avg_pool2d(x, 7).flatten(1))
        if hasattr(self, "head"):
            x = x if x.shape[-1] >= 7 else functional.adaptive_avg_pool2d(x, 7)
            x = torch.relu(self.pre_logits.fc2(torch.relu(self.pre_logits.fc1(x))))
            return self.head.fc(x.mean((2, 3)))
        return x


def rounded(channels, divisor=8):
    near = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return near + divisor if near < 0.9 * channels else near


def conv_norm(inputs, outputs, window, stride=1, groups=1, activation=nn.ReLU6, epsilon=1e-5):
    layers = [
        nn.Conv2d(inputs, outputs, window, stride, window // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs, eps=epsilon),
    ]
    return nn.Sequential(*layers, *([activation()] if activation else []))


class Inverted(nn.Module):
    """torchvision's block of MobileNetV2."""

    def __init__(self, inputs, outputs, stride, ratio):
        super().__init__()
        wide = round(inputs * ratio)
        layers = [conv_norm(inputs, wide, 1)] if ratio != 1 else []
        layers += [conv_norm(wide, wide, 3, stride, wide), nn.Conv2d(wide, outputs, 1, bias=False)]
        self.conv = nn.Sequential(*layers, nn.BatchNorm2d(outputs))
        self.adds = stride == 1 and inputs == outputs

    def forward(self, x):
        return x + self.conv(x) if self.adds else self.conv(x)


MOBILE = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))


class MobileNetV2(nn.Module):
    def __init__(self, width=1.0, classes=1000, last=1280):
        super().__init__()
        inputs = rounded(32 * width)
        layers = [conv_norm(3, inputs, 3, 2)]
        for ratio, channels, count, stride in MOBILE:
            for index in range(count):
                layers.append(Inverted(inputs, rounded(channels * width), 1 if index else stride, ratio))
                inputs = rounded(channels * width)
        self.features = nn.Sequential(*layers, conv_norm(inputs, last, 1))
        if classes:
            self.classifier = nn.Sequential(nn.Dropout(0.2), nn.Linear(last, classes))

    def forward(self, x):
        x = self.features(x).mean((2, 3))
        return self.classifier(x) if hasattr(self, "classifier") else x


class SamePadded(nn.Conv2d):
    """timm's convolution with TensorFlow's padding."""

    def forward(self, x):
        window, stride = self.kernel_size[0], self.stride[0]
        totals = [max((-(-side // stride) - 1) * stride + window - side, 0) for side in x.shape[-2:]]
        (top, left) = (total // 2 for total in totals)
        return super().forward(functional.pad(x, (left, totals[1] - left, top, totals[0] - top)))


class SqueezeExcite(nn.Module):
    def __init__(self, wide, narrow, names, activation):
        super().__init__()
        self.names, self.activation = names, activation()
        setattr(self, names[0], nn.Conv2d(wide, narrow, 1))
        setattr(self, names[1], nn.Conv2d(narrow, wide, 1))

    def forward(self, x):
        first, second = (getattr(self, name) for name in self.names)
        return x * torch.sigmoid(second(self.activation(first(x.mean((2, 3), keepdim=True)))))


class TimmBlock(nn.Module):
    """timm's `DepthwiseSeparableConv` where it does not widen, else `InvertedResidual`."""

    def __init__(self, inputs, outputs, window, stride, ratio, squeezes, activation, epsilon, same):
        super().__init__()
        kind = SamePadded if same else nn.Conv2d
        wide = inputs * ratio

        def conv(first, second, size, steps=1, groups=1):
            return kind(first, second, size, steps, 0 if same else size // 2, groups=groups, bias=False)

        if ratio > 1:
            self.conv_pw, self.bn1 = conv(inputs, wide, 1), nn.BatchNorm2d(wide, eps=epsilon)
        self.conv_dw = conv(wide, wide, window, stride, wide)
        setattr(self, "bn2" if ratio > 1 else "bn1", nn.BatchNorm2d(wide, eps=epsilon))
        if squeezes:
            self.se = SqueezeExcite(wide, max(inputs // 4, 1), ("conv_reduce", "conv_expand"), activation)
        setattr(self, "conv_pwl" if ratio > 1 else "conv_pw", conv(wide, outputs, 1))
        setattr(self, "bn3" if ratio > 1 else "bn2", nn.BatchNorm2d(outputs, eps=epsilon))
        self.act, self.widens = activation(), ratio > 1
        self.adds = stride == 1 and inputs == outputs

    def forward(self, x):
        y = self.act(self.bn1(self.conv_pw(x))) if self.widens else x
        y = self.act((self.bn2 if self.widens else self.bn1)(self.conv_dw(y)))
        y = self.se(y) if hasattr(self, "se") else y
        y = self.bn3(self.conv_pwl(y)) if self.widens else self.bn2(self.conv_pw(y))
        return x + y if self.adds else y


class TimmMobile(nn.Module):
    """timm's `EfficientNet`, which is also its MobileNetV2; stages are (ratio, channels, blocks, stride, window)."""

    def __init__(
        self, stages, stem=32, last=1280, classes=1000, squeezes=False, activation=nn.ReLU6, epsilon=1e-5, same=False
    ):
        super().__init__()
        kind = SamePadded if same else nn.Conv2d
        self.conv_stem = kind(3, stem, 3, 2, 0 if same else 1, bias=False)
        self.bn1 = nn.BatchNorm2d(stem, eps=epsilon)
        inputs, made = stem, []
        for ratio, channels, count, stride, window in stages:
            blocks = []
            for index in range(count):
                steps = 1 if index else stride
                blocks.append(TimmBlock(inputs, channels, window, steps, ratio, squeezes, activation, epsilon, same))
                inputs = channels
            made.append(nn.Sequential(*blocks))
        self.blocks = nn.Sequential(*made)
        self.conv_head = nn.Conv2d(inputs, last, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(last, eps=epsilon)
        self.act = activation()
        if classes:
            self.classifier = nn.Linear(last, classes)

    def forward(self, x):
        x = self.blocks(self.act(self.bn1(self.conv_stem(x))))
        x = self.act(self.bn2(self.conv_head(x))).mean((2, 3))
        return self.classifier(x) if hasattr(self, "classifier") else x


def timm_mobilenet_v2(width=1.0, classes=1000, last=1280):
    stages = [(ratio, rounded(wide * width), count, stride, 3) for ratio, wide, count, stride in MOBILE]
    return TimmMobile(stages, rounded(32 * width), last, classes)


EFFICIENT = (
    (1, 16, 1, 1, 3),
    (6, 24, 2, 2, 3),
    (6, 40, 2, 2, 5),
    (6, 80, 3, 2, 3),
    (6, 112, 3, 1, 5),
    (6, 192, 4, 2, 5),
    (6, 320, 1, 1, 3),
)


def efficient_stages(width, depth):
    return [(r, rounded(c * width), ceil(n * depth), s, k) for r, c, n, s, k in EFFICIENT]


def timm_efficientnet(width=1.0, depth=1.0, classes=1000, last=1280, same=False):
    epsilon = 1e-3 if same else 1e-5
    stages = efficient_stages(width, depth)
    return TimmMobile(stages, rounded(32 * width), last, classes, True, nn.SiLU, epsilon, same)


class MbConv(nn.Module):
    """torchvision's block of EfficientNet."""

    def __init__(self, inputs, outputs, window, stride, ratio, epsilon):
        super().__init__()
        wide = inputs * ratio
        layers = [conv_norm(inputs, wide, 1, activation=nn.SiLU, epsilon=epsilon)] if ratio > 1 else []
        layers.append(conv_norm(wide, wide, window, stride, wide, nn.SiLU, epsilon))
        layers.append(SqueezeExcite(wide, max(inputs // 4, 1), ("fc1", "fc2"), nn.SiLU))
        layers.append(conv_norm(wide, outputs, 1, activation=None, epsilon=epsilon))
        self.block = nn.Sequential(*layers)
        self.adds = stride == 1 and inputs == outputs

    def forward(self, x):
        return x + self.block(x) if self.adds else self.block(x)


class EfficientNet(nn.Module):
    def __init__(self, width=1.0, depth=1.0, classes=1000, epsilon=1e-5):
        super().__init__()
        inputs = rounded(32 * width)
        layers = [conv_norm(3, inputs, 3, 2, activation=nn.SiLU, epsilon=epsilon)]
        for ratio, channels, count, stride, window in efficient_stages(width, depth):
            blocks = []
            for index in range(count):
                blocks.append(MbConv(inputs, channels, window, 1 if index else stride, ratio, epsilon))
                inputs = channels
            layers.append(nn.Sequential(*blocks))
        layers.append(conv_norm(inputs, 4 * inputs, 1, activation=nn.SiLU, epsilon=epsilon))
        self.features = nn.Sequential(*layers)
        if classes:
            self.classifier = nn.Sequential(nn.Dropout(0.2), nn.Linear(4 * inputs, classes))

    def forward(self, x):
        x = self.features(x).mean((2, 3))
        return self.classifier(x) if hasattr(self, "classifier") else x


class DenseLayer(nn.Module):
    def __init__(self, inputs, growth):
        super().__init__()
        self.norm1, self.conv1 = nn.BatchNorm2d(inputs), nn.Conv2d(inputs, 4 * growth, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(4 * growth)
        self.conv2 = nn.Conv2d(4 * growth, growth, 3, padding=1, bias=False)

    def forward(self, x):
        y = self.conv1(torch.relu(self.norm1(x)))
        return torch.cat([x, self.conv2(torch.relu(self.norm2(y)))], 1)


class Transition(nn.Module):
    def __init__(self, inputs):
        super().__init__()
        self.norm, self.conv = nn.BatchNorm2d(inputs), nn.Conv2d(inputs, inputs // 2, 1, bias=False)

    def forward(self, x):
        return functional.avg_pool2d(self.conv(torch.relu(self.norm(x))), 2, 2)


class DenseNet(nn.Module):
    def __init__(self, counts, growth=32, first=64, classes=1000):
        super().__init__()
        self.features = nn.Sequential()
        self.features.add_module("conv0", nn.Conv2d(3, first, 7, 2, 3, bias=False))
        self.features.add_module("norm0", nn.BatchNorm2d(first))
        self.features.add_module("relu0", nn.ReLU())
        self.features.add_module("pool0", nn.MaxPool2d(3, 2, 1))
        inputs = first
        for number, count in enumerate(counts, 1):
            block = nn.Sequential()
            for index in range(count):
                block.add_module(f"denselayer{index + 1}", DenseLayer(inputs + index * growth, growth))
            self.features.add_module(f"denseblock{number}", block)
            inputs += count * growth
            if number < len(counts):
                self.features.add_module(f"transition{number}", Transition(inputs))
                inputs //= 2
        self.features.add_module("norm5", nn.BatchNorm2d(inputs))
        if classes:
            self.classifier = nn.Linear(inputs, classes)

    def forward(self, x):
        x = torch.relu(self.features(x)).mean((2, 3))
        return self.classifier(x) if hasattr(self, "classifier") else x


class LayerNorm2d(nn.LayerNorm):
    def forward(self, x):
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class Permuted(nn.Module):
    def __init__(self, *order):
        super().__init__()
        self.order = order

    def forward(self, x):
        return x.permute(*self.order)


class NextBlock(nn.Module):
    """torchvision's block of ConvNeXt."""

    def __init__(self, width):
        super().__init__()
        self.block = nn.Sequential(
            nn.Conv2d(width, width, 7, padding=3, groups=width),
            Permuted(0, 2, 3, 1),
            nn.LayerNorm(width, eps=1e-6),
            nn.Linear(width, 4 * width),
            nn.GELU(),
            nn.Linear(4 * width, width),
            Permuted(0, 3, 1, 2),
        )
        self.layer_scale = nn.Parameter(torch.ones(width, 1, 1))

    def forward(self, x):
        return x + self.layer_scale * self.block(x)


class ConvNext(nn.Module):
    def __init__(self, counts, width=96, classes=1000):
        super().__init__()
        layers = [nn.Sequential(nn.Conv2d(3, width, 4, 4), LayerNorm2d(width, eps=1e-6))]
        for stage, count in enumerate(counts):
            if stage:
                layers.append(nn.Sequential(LayerNorm2d(width, eps=1e-6), nn.Conv2d(width, 2 * width, 2, 2)))
                width *= 2
            layers.append(nn.Sequential(*(NextBlock(width) for _ in range(count))))
        self.features = nn.Sequential(*layers)
        if classes:
            self.classifier = nn.Sequential(LayerNorm2d(width, eps=1e-6), nn.Flatten(1), nn.Linear(width, classes))

    def forward(self, x):
        x = functional.adaptive_avg_pool2d(self.features(x), 1)
        return self.classifier(x) if hasattr(self, "classifier") else x.flatten(1)


class TimmNextBlock(nn.Module):
    def __init__(self, width, convolves):
        super().__init__()
        product = (lambda a, b: nn.Conv2d(a, b, 1)) if convolves else nn.Linear
        self.conv_dw = nn.Conv2d(width, width, 7, padding=3, groups=width)
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.mlp = nn.Module()
        self.mlp.fc1, self.mlp.fc2 = product(width, 4 * width), product(4 * width, width)
        self.gamma = nn.Parameter(torch.ones(width))
        self.convolves = convolves

    def forward(self, x):
        y = self.norm(self.conv_dw(x).permute(0, 2, 3, 1))
        y = y.permute(0, 3, 1, 2) if self.convolves else y
        y = self.mlp.fc2(functional.gelu(self.mlp.fc1(y)))
        y = y if self.convolves else y.permute(0, 3, 1, 2)
        return x + y * self.gamma.reshape(1, -1, 1, 1)


class TimmConvNext(nn.Module):
    def __init__(self, counts, width=96, classes=1000, convolves=False):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, width, 4, 4), LayerNorm2d(width, eps=1e-6))
        self.stages = nn.Sequential()
        for number, count in enumerate(counts):
            stage = nn.Module()
            if number:
                stage.downsample = nn.Sequential(LayerNorm2d(width, eps=1e-6), nn.Conv2d(width, 2 * width, 2, 2))
                width *= 2
            stage.blocks = nn.Sequential(*(TimmNextBlock(width, convolves) for _ in range(count)))
            self.stages.append(stage)
        self.head = nn.Module()
        self.head.norm = LayerNorm2d(width, eps=1e-6)
        if classes:
            self.head.fc = nn.Linear(width, classes)

    def forward(self, x):
        x = self.stem(x)
        for stage in self.stages:
            x = stage.blocks(stage.downsample(x) if hasattr(stage, "downsample") else x)
        x = self.head.norm(functional.adaptive_avg_pool2d(x, 1)).flatten(1)
        return self.head.fc(x) if hasattr(self.head, "fc") else x


def shaken(module, seed=0):
    """The module with random scales, biases and statistics, so that nothing is hidden by ones and zeros.

    Near enough to what training makes that float32 itself loses nothing on the way: values neither die out nor grow.
    """
    torch.manual_seed(seed)
    with torch.no_grad():
        for name, value in module.state_dict().items():
            if name.endswith("num_batches_tracked"):
                value.fill_(7)
            elif name.endswith("running_var"):
                value.copy_(torch.rand(value.shape) + 0.5)
            elif name.endswith(("weight", "gamma", "layer_scale")) and value.numel() == len(value):
                value.copy_(torch.rand(value.shape) * 0.8 + 0.6)
            elif name.endswith(("conv_expand.bias", "fc2.bias")) and "mlp" not in name:
                # Gates that are mostly open.
                value.copy_(torch.rand(value.shape) + 1)
            elif value.ndim == 1:
                value.copy_(torch.randn(value.shape) * 0.1)
            else:
                value.copy_(torch.randn(value.shape) * (1.5 / value[0].numel()) ** 0.5)
    return module.eval()
