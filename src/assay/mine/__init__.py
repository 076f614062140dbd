"""Proposes artefacts from the rows alone, never told what the attack was. One file a miner."""
