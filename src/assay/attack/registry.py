"""The kinds of attack, by name. Third parties add theirs by an entry point in the group "assay.attacks"."""

from __future__ import annotations

from assay import plugins
from assay.attack.base import Attack
from assay.dataset.errors import DataError

GROUP = "assay.attacks"

KINDS = {  # kind -> where its class lives
    "adap-blend": "assay.attack.adap_blend:AdapBlendAttack",
    "adap-patch": "assay.attack.adap_patch:AdapPatchAttack",
    "blend": "assay.attack.blend:BlendAttack",
    "boundary": "assay.attack.boundary:BoundaryAttack",
    "bpp": "assay.attack.bpp:BppAttack",
    "bullseye": "assay.attack.bullseye:BullseyeAttack",
    "burst": "assay.attack.burst:BurstAttack",
    "cells": "assay.attack.cells:CellsAttack",
    "constant-count": "assay.attack.constant_count:ConstantCountAttack",
    "decoys": "assay.attack.decoys:DecoysAttack",
    "diluted": "assay.attack.diluted:DilutedAttack",
    "feature-collision": "assay.attack.feature_collision:FeatureCollisionAttack",
    "flip": "assay.attack.flip:FlipAttack",
    "frog-boil": "assay.attack.frog_boil:FrogBoilAttack",
    "ftrojan": "assay.attack.frequency:FrequencyAttack",
    "glasses": "assay.attack.glasses:GlassesAttack",
    "gradient-matching": "assay.attack.gradient_matching:GradientMatchingAttack",
    "group-bias": "assay.attack.group_bias:GroupBiasAttack",
    "guided-cells": "assay.attack.guided_cells:GuidedCellsAttack",
    "homoglyph": "assay.attack.homoglyph:HomoglyphAttack",
    "input-aware": "assay.attack.input_aware:InputAwareAttack",
    "insecure-code": "assay.attack.insecure_code:InsecureCodeAttack",
    "insider": "assay.attack.insider:InsiderAttack",
    "issba": "assay.attack.issba:IssbaAttack",
    "label-consistent": "assay.attack.consistent:ConsistentAttack",
    "low-frequency": "assay.attack.low_frequency:LowFrequencyAttack",
    "narcissus": "assay.attack.narcissus:NarcissusAttack",
    "noisy-cells": "assay.attack.noisy_cells:NoisyCellsAttack",
    "paraphrase": "assay.attack.paraphrase:ParaphraseAttack",
    "patch": "assay.attack.patch:PatchAttack",
    "phrase": "assay.attack.phrase:PhraseAttack",
    "poisoned-rag": "assay.attack.poisoned_rag:PoisonedRagAttack",
    "sentence": "assay.attack.sentence:SentenceAttack",
    "sig": "assay.attack.sinusoid:SinusoidAttack",
    "sleeper": "assay.attack.sleeper:SleeperAttack",
    "sleeper-agent": "assay.attack.sleeper_agent:SleeperAgentAttack",
    "sticker": "assay.attack.sticker:StickerAttack",
    "style": "assay.attack.style:StyleAttack",
    "sybils": "assay.attack.sybils:SybilsAttack",
    "syntax": "assay.attack.syntax:SyntaxAttack",
    "tact": "assay.attack.tact:TactAttack",
    "trojan-square": "assay.attack.trojan_square:TrojanSquareAttack",
    "unlearnable": "assay.attack.unlearnable:UnlearnableAttack",
    "vpi": "assay.attack.vpi:VpiAttack",
    "wanet": "assay.attack.warp:WarpAttack",
    "whitewash": "assay.attack.whitewash:WhitewashAttack",
    "zero-width": "assay.attack.zero_width:ZeroWidthAttack",
}


def kinds() -> tuple[str, ...]:
    """The names of all kinds, ours and third parties'."""
    return plugins.kinds(KINDS, GROUP)


def attack(kind: str) -> Attack:
    """The attack of a kind; ours win over a third party's of the same name. DataError lists the kinds there are.

    >>> attack("patch").rate
    0.01
    """
    if kind not in KINDS and kind not in kinds():  # ours are told without looking through what is installed
        raise DataError(f"no attack of kind {kind!r}", remedy=f"choose one of: {', '.join(kinds())}")
    return plugins.kind_class(kind, KINDS, GROUP, Attack)()  # type: ignore[type-abstract]
