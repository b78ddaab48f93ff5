// A program for pods of the lab. Alone it waits and reaps, as the first process of a pod's sandbox has to; with `serve`, an
// address and a text it answers HTTP; with `names`, where to listen and an address it is a name server to which every name has that
// address; with `env`, a name and a text it says whether it was given that.
package main

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	if len(os.Args) == 4 && os.Args[1] == "serve" {
		go serve(os.Args[2], os.Args[3])
	}
	if len(os.Args) == 4 && os.Args[1] == "names" {
		go names(os.Args[2], net.ParseIP(os.Args[3]).To4())
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
		fail(err)
	}
}

func names(at string, address net.IP) {
	socket, err := net.ListenPacket("udp", at)
	if err != nil {
		fail(err)
	}
	buffer := make([]byte, 1500)
	for {
		n, from, err := socket.ReadFrom(buffer)
		if err != nil {
			fail(err)
		}
		if reply := answer(buffer[:n], address); reply != nil {
			socket.WriteTo(reply, from)
		}
	}
}

// What is answered to a query of DNS: the address to who asks for one of IPv4, and to others that there is nothing of that type.
func answer(query []byte, address net.IP) []byte {
	const header = 12
	end := header
	for end < len(query) && query[end] != 0 {
		end += int(query[end]) + 1
	}
	end += 5 // the root's label, type and class
	if len(query) < end {
		return nil
	}
	reply := append([]byte{}, query[:end]...)
	copy(reply[2:header], []byte{0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0})
	if query[end-4] == 0 && query[end-3] == 1 {
		reply[7] = 1
		// The name is that of the question; type and class, a minute to live, four bytes.
		reply = append(reply, 0xc0, header, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4)
		reply = append(reply, address...)
	}
	return reply
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
