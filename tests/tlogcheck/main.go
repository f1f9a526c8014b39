// tlogcheck reads a log with other people's tools alone: checkpoint, key, tiles and entries of a tlog-tiles address.
// Prints the origin, and the size whose root it rebuilt from every entry.
package main

import (
	"context"
	"fmt"
	"log"
	"os"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type hashes []tlog.Hash

func (h hashes) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	found := make([]tlog.Hash, 0, len(indexes))
	for _, index := range indexes {
		if index >= int64(len(h)) {
			return nil, fmt.Errorf("no hash %d", index)
		}
		found = append(found, h[index])
	}
	return found, nil
}

func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}

func main() {
	ctx := context.Background()
	fetcher := must(torchwood.NewTileFetcher(os.Args[1]))
	client := must(torchwood.NewClient(fetcher))
	key := must(fetcher.ReadEndpoint(ctx, "log.vkey"))
	verifier := must(note.NewVerifier(string(key[:len(key)-1])))
	signed := must(fetcher.ReadEndpoint(ctx, "checkpoint"))
	opened := must(note.Open(signed, note.VerifierList(verifier)))
	checkpoint := must(torchwood.ParseCheckpoint(opened.Text))
	var stored hashes
	next := int64(0)
	add := func(entry []byte) {
		stored = append(stored, must(tlog.StoredHashes(next, entry, stored))...)
		next++
	}
	for index, entry := range client.Entries(ctx, checkpoint.Tree, 0) {
		if index != next {
			log.Fatalf("entry %d after %d", index, next-1)
		}
		add(entry)
	}
	if err := client.Err(); err != nil {
		log.Fatal(err)
	}
	for next < checkpoint.N { // the unfinished bundle, one by one, each with its proof
		entry, _, err := client.Entry(ctx, checkpoint.Tree, next)
		if err != nil {
			log.Fatal(err)
		}
		add(entry)
	}
	if root := must(tlog.TreeHash(next, stored)); root != checkpoint.Hash {
		log.Fatalf("the entries give another root: %v", root)
	}
	fmt.Println(checkpoint.Origin, next)
}
