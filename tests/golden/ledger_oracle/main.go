// The oracle of test_ledger_go.py: golang.org/x/mod/sumdb/{note,tlog} read a ledger's folder and check its proofs.
//
//	oracle FOLDER VKEY < questions.json > answers.json
package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type folder struct{ root string }

func (f folder) Height() int { return 8 }

func (f folder) SaveTiles(tiles []tlog.Tile, data [][]byte) {}

func (f folder) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var out [][]byte
	for _, t := range tiles {
		// Go's layout is tile/8/L/N; C2SP tlog-tiles leaves the height out.
		path := strings.Replace(t.Path(), "tile/8/", "tile/", 1)
		data, err := os.ReadFile(filepath.Join(f.root, path))
		if err != nil {
			return nil, err
		}
		out = append(out, data)
	}
	return out, nil
}

type recordCase struct {
	Index int64
	Leaf  []byte
	Path  [][]byte
}

type treeCase struct {
	Old  int64
	Root []byte
	Path [][]byte
}

type question struct {
	Records []recordCase
	Trees   []treeCase
}

type answer struct {
	Text    string
	Records [][][]byte
	Trees   [][][]byte
}

func hash(b []byte) (h tlog.Hash) {
	if copy(h[:], b) != tlog.HashSize {
		panic("not a hash")
	}
	return h
}

func hashes(list [][]byte) (out []tlog.Hash) {
	for _, b := range list {
		out = append(out, hash(b))
	}
	return out
}

func raw(list []tlog.Hash) [][]byte {
	out := [][]byte{}
	for _, h := range list {
		out = append(out, append([]byte(nil), h[:]...))
	}
	return out
}

func must(err error, what string) {
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", what, err)
		os.Exit(1)
	}
}

func main() {
	root, vkey := os.Args[1], os.Args[2]
	verifier, err := note.NewVerifier(vkey)
	must(err, "key")
	data, err := os.ReadFile(filepath.Join(root, "checkpoint"))
	must(err, "checkpoint")
	opened, err := note.Open(data, note.VerifierList(verifier))
	must(err, "note")
	lines := strings.Split(opened.Text, "\n")
	size, err := strconv.ParseInt(lines[1], 10, 64)
	must(err, "size")
	head, err := base64.StdEncoding.DecodeString(lines[2])
	must(err, "root")
	tree := tlog.Tree{N: size, Hash: hash(head)}
	reader := tlog.TileHashReader(tree, folder{root})

	var q question
	must(json.NewDecoder(os.Stdin).Decode(&q), "questions")
	a := answer{Text: opened.Text, Records: [][][]byte{}, Trees: [][][]byte{}}
	for _, r := range q.Records {
		must(tlog.CheckRecord(hashes(r.Path), tree.N, tree.Hash, r.Index, hash(r.Leaf)), fmt.Sprintf("record %d", r.Index))
		theirs, err := tlog.ProveRecord(tree.N, r.Index, reader)
		must(err, "ProveRecord")
		a.Records = append(a.Records, raw(theirs))
	}
	for _, t := range q.Trees {
		must(tlog.CheckTree(hashes(t.Path), tree.N, tree.Hash, t.Old, hash(t.Root)), fmt.Sprintf("tree %d", t.Old))
		theirs, err := tlog.ProveTree(tree.N, t.Old, reader)
		must(err, "ProveTree")
		a.Trees = append(a.Trees, raw(theirs))
	}
	must(json.NewEncoder(os.Stdout).Encode(a), "answers")
}
