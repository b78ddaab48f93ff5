// A program for pods of the lab. Alone it waits and reaps, as the first process of a pod's sandbox has to; with `serve`, an
// address and a text it answers HTTP; with `env`, a name and a text it says whether it was given that.
package main

import (
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	if len(os.Args) == 4 && os.Args[1] == "serve" {
		go serve(os.Args[2], os.Args[3])
	}
	if len(os.Args) == 4 && os.Args[1] == "env" {
		fmt.Println("looked at", os.Args[2])
		if os.Getenv(os.Args[2]) != os.Args[3] {
			os.Exit(3)
		}
		return
	}
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGCHLD)
	for received := range signals {
		if received != syscall.SIGCHLD {
			return
		}
		for {
			if pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil); pid <= 0 || err != nil {
				break
			}
		}
	}
}

func serve(address, text string) {
	answer := func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, text) }
	if err := http.ListenAndServe(address, http.HandlerFunc(answer)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
