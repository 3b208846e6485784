// Broadcast with gorilla/websocket: a hub per topic, and two goroutines per connection.
//
// `server PORT tutorial` is the library's own chat example, except that each message stays a message
// of its own; a client whose channel is full is dropped. `server PORT blocking` makes each frame once for
// all, and waits for slow clients. With a further `deflate` it compresses, at the library's default level.
package main

import (
	"log"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

const (
	writeWait       = 10 * time.Second
	pongWait        = 60 * time.Second
	pingPeriod      = pongWait * 9 / 10
	messageBytesMax = 1024 * 1024
	sendChannelSize = 256
)

var upgrader = websocket.Upgrader{
	ReadBufferSize:  1024,
	WriteBufferSize: 1024,
	CheckOrigin:     func(*http.Request) bool { return true },
}

type message struct {
	kind     int
	data     []byte
	prepared *websocket.PreparedMessage
}

type client struct {
	hub  *hub
	conn *websocket.Conn
	send chan message
}

type hub struct {
	isBlocking bool
	clients    map[*client]bool
	broadcast  chan message
	register   chan *client
	unregister chan *client
}

func newHub(isBlocking bool) *hub {
	return &hub{
		isBlocking: isBlocking,
		clients:    make(map[*client]bool),
		broadcast:  make(chan message),
		register:   make(chan *client),
		unregister: make(chan *client),
	}
}

func (h *hub) run() {
	for {
		select {
		case c := <-h.register:
			h.clients[c] = true
		case c := <-h.unregister:
			h.drop(c)
		case m := <-h.broadcast:
			for c := range h.clients {
				h.deliver(c, m)
			}
		}
	}
}

func (h *hub) deliver(c *client, m message) {
	select {
	case c.send <- m:
		return
	default:
	}
	if !h.isBlocking {
		h.drop(c)
		return
	}
	for h.clients[c] {
		select {
		case c.send <- m:
			return
		// Whoever is gone takes nothing any more.
		case gone := <-h.unregister:
			h.drop(gone)
		}
	}
}

func (h *hub) drop(c *client) {
	if h.clients[c] {
		delete(h.clients, c)
		close(c.send)
	}
}

func (c *client) readPump() {
	defer func() {
		c.hub.unregister <- c
		c.conn.Close()
	}()
	c.conn.SetReadLimit(messageBytesMax)
	c.conn.SetReadDeadline(time.Now().Add(pongWait))
	c.conn.SetPongHandler(func(string) error {
		return c.conn.SetReadDeadline(time.Now().Add(pongWait))
	})
	for {
		kind, data, err := c.conn.ReadMessage()
		if err != nil {
			return
		}
		m := message{kind: kind, data: data}
		if c.hub.isBlocking {
			if m.prepared, err = websocket.NewPreparedMessage(kind, data); err != nil {
				return
			}
		}
		c.hub.broadcast <- m
	}
}

func (c *client) writePump() {
	ticker := time.NewTicker(pingPeriod)
	defer func() {
		ticker.Stop()
		c.conn.Close()
	}()
	for {
		var err error
		select {
		case m, isOpen := <-c.send:
			c.conn.SetWriteDeadline(time.Now().Add(writeWait))
			switch {
			case !isOpen:
				c.conn.WriteMessage(websocket.CloseMessage, []byte{})
				return
			case m.prepared != nil:
				err = c.conn.WritePreparedMessage(m.prepared)
			default:
				err = c.conn.WriteMessage(m.kind, m.data)
			}
		case <-ticker.C:
			c.conn.SetWriteDeadline(time.Now().Add(writeWait))
			err = c.conn.WriteMessage(websocket.PingMessage, nil)
		}
		if err != nil {
			return
		}
	}
}

func main() {
	if len(os.Args) < 3 {
		log.Fatal("usage: server PORT tutorial|blocking [deflate]")
	}
	upgrader.EnableCompression = len(os.Args) > 3 && os.Args[3] == "deflate"
	isBlocking := os.Args[2] == "blocking"
	var mutex sync.Mutex
	hubs := make(map[string]*hub)
	serve := func(w http.ResponseWriter, r *http.Request) {
		conn, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		name := strings.TrimPrefix(strings.TrimPrefix(r.URL.Path, "/ws"), "/")
		mutex.Lock()
		h := hubs[name]
		if h == nil {
			h = newHub(isBlocking)
			hubs[name] = h
			go h.run()
		}
		mutex.Unlock()
		c := &client{hub: h, conn: conn, send: make(chan message, sendChannelSize)}
		h.register <- c
		go c.writePump()
		go c.readPump()
	}
	http.HandleFunc("/ws", serve)
	http.HandleFunc("/ws/", serve)
	log.Fatal(http.ListenAndServe("127.0.0.1:"+os.Args[1], nil))
}
