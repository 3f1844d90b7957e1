"""Trains the head of `drf-adapted` in PyTorch over features: projections, converters both ways, queues, fusion, classifier,
AdamW, a look at the validation posts after each epoch, the best state saved. The sizes and losses are those of
`pnpm train --method drf-adapted`."""
import torch
from torch import nn

SEED = 0


def layers(*widths):
    modules = [each for a, b in zip(widths, widths[1:]) for each in (nn.Linear(a, b), nn.ReLU())]
    return nn.Sequential(*modules[:-1])


def statistics(rows):
    mean = rows.mean(0)
    return mean, ((rows - mean) ** 2).sum(1).mean().sqrt()


def exponent(features, mean, std):
    return -((features - mean) ** 2).sum(1) / (2 * std**2)


class Head(nn.Module):
    def __init__(self, image, text, dim, classes, capacity):
        super().__init__()
        self.project = nn.ModuleDict({"image": nn.Linear(image, dim), "text": nn.Linear(text, dim)})
        self.to_text, self.to_image = layers(dim, dim, dim), layers(dim, dim, dim)
        self.fuse, self.classify, self.capacity = layers(2 * dim, dim, dim), nn.Linear(dim, classes), capacity
        self.queues = {name: torch.randn(2, dim) for name in ("image", "text")}

    def forward(self, image, text, has_image, has_text):
        """Logits [batch, classes], and what the losses and the queues need."""
        v, t = self.project["image"](image), self.project["text"](text)
        (mi, si), (mt, st) = (statistics(self.queues[name]) for name in ("image", "text"))
        rt, ri = self.to_text(v), self.to_image(t)
        ev, ert, et, eri = exponent(v, mi, si), exponent(rt, mt, st), exponent(t, mt, st), exponent(ri, mi, si)
        given = torch.log(torch.stack([has_image * has_text, has_image, has_text], 1) + 1e-9)
        weights = torch.softmax(torch.stack([ev + et, ev + ert, eri + et], 1) + given, 1)
        pairs = torch.stack([torch.cat([v, t], 1), torch.cat([v, rt], 1), torch.cat([ri, t], 1)], 1)
        logits = self.classify((weights[:, :, None] * self.fuse(pairs)).sum(1))
        return logits, (v, t, rt, ri, ev, et, mi, si, mt, st)

    def losses(self, parts, has_image, has_text):
        v, t, rt, ri, _, _, mi, si, mt, st = parts
        distance = lambda x: x.norm(dim=1)
        image = has_image * (distance(v - mi) - distance(v - mt)).clamp(max=10).exp()
        text = has_text * (distance(t - mt) - distance(t - mi)).clamp(max=10).exp()
        sample = has_image * has_text * (distance(rt - t) + distance(ri - v))
        (m1, s1), (m2, s2) = statistics(self.to_text(self.queues["image"])), statistics(self.to_image(self.queues["text"]))
        distribution = (m1 - mt).norm() + (s1 - st).abs() + (m2 - mi).norm() + (s2 - si).abs()
        return 0.01 * (image + text).mean() + 0.01 * (sample.mean() + distribution)

    @torch.no_grad()
    def remember(self, parts, has_image, has_text):
        v, t, _, _, ev, et, mi, si, mt, st = parts
        for name, rows, own, given, mean, std in (("image", v, ev, has_image, mi, si), ("text", t, et, has_text, mt, st)):
            queue = self.queues[name]
            usual = exponent(queue, mean, std).exp().mean() if len(queue) == self.capacity else 0
            kept = rows[(own.exp() >= usual) & (given > 0)]
            self.queues[name] = torch.cat([queue, kept])[-self.capacity :].detach()


def train(posts, encoded, models, setting, options):
    torch.manual_seed(SEED)
    torch.set_num_threads(setting["threads"] * setting["processes"])
    labels = torch.tensor([models["labels"].index(post["label"]) for post in posts])
    columns = [torch.from_numpy(encoded[name][part]) for part in (0, 1) for name in ("image", "text")]
    shuffled = torch.randperm(len(posts))
    count = round(0.1 * len(posts))
    validation, training = shuffled[:count], shuffled[2 * count :]  # the rest is for testing
    for features, given in zip(columns[:2], columns[2:]):
        known = features[training][given[training] > 0]
        features.sub_(known.mean(0)).div_(known.std(0) + 1e-6)
    head = Head(columns[0].shape[1], columns[1].shape[1], models["dim"], len(models["labels"]), models["capacity"])
    optimizer = torch.optim.AdamW(head.parameters(), lr=3e-4, weight_decay=0.01, fused=True)
    best = -1.0
    for _ in range(options.epochs):
        for places in training[torch.randperm(len(training))].split(options.batch_size):
            image, text, has_image, has_text = (each[places] for each in columns)
            logits, parts = head(image, text, has_image, has_text)
            loss = nn.functional.cross_entropy(logits, labels[places]) + head.losses(parts, has_image, has_text)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            head.remember(parts, has_image, has_text)
        with torch.inference_mode():
            logits, _ = head(*(each[validation] for each in columns))
            accuracy = (logits.argmax(1) == labels[validation]).float().mean().item()
        if accuracy > best:
            best = accuracy
            torch.save({"parameters": head.state_dict(), "queues": head.queues}, options.out)
    return {"accuracy": best, "posts": len(validation), "loss": loss.item()}
