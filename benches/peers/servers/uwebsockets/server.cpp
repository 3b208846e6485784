/* Broadcast with uWebSockets: its own pub/sub, which sends once per reader and turn of the loop.
 * `/echo` answers without it, the cheapest way there is to send a message back.
 * `server PORT deflate` compresses, if it was built with zlib. */

#include "App.h"

#include <cstdlib>
#include <iostream>

struct PerSocketData {
    std::string topic;
};

using Behavior = uWS::App::WebSocketBehavior<PerSocketData>;

static std::string topicOf(uWS::HttpRequest *req) {
    std::string_view url = req->getUrl();
    return std::string(url.size() > 4 ? url.substr(4) : "lobby");
}

static Behavior limits() {
    return {
        .maxPayloadLength = 1024 * 1024,
        .idleTimeout = 120,
        /* As much as fanfare keeps for a reader that lags, and the same end for one that lags more. */
        .maxBackpressure = 8 * 1024 * 1024,
        .closeOnBackpressureLimit = true,
    };
}

static Behavior broadcast(uWS::App &app, bool isDeflated) {
    Behavior behavior = limits();
    /* Not a dedicated compressor: those keep their context, whatever a client asks for. */
    behavior.compression = isDeflated ? uWS::SHARED_COMPRESSOR : uWS::DISABLED;
    behavior.upgrade = [](auto *res, auto *req, auto *context) {
        res->template upgrade<PerSocketData>({topicOf(req)},
                                             req->getHeader("sec-websocket-key"),
                                             req->getHeader("sec-websocket-protocol"),
                                             req->getHeader("sec-websocket-extensions"), context);
    };
    behavior.open = [](auto *ws) { ws->subscribe(ws->getUserData()->topic); };
    /* Not ws->publish(), which leaves out the sender. */
    behavior.message = [&app, isDeflated](auto *ws, std::string_view message, uWS::OpCode opCode) {
        app.publish(ws->getUserData()->topic, message, opCode, isDeflated);
    };
    return behavior;
}

static Behavior echo() {
    Behavior behavior = limits();
    behavior.message = [](auto *ws, std::string_view message, uWS::OpCode opCode) {
        ws->send(message, opCode);
    };
    return behavior;
}

/* A body is published as text, and answered with how many get it. */
static auto post(uWS::App &app) {
    return [&app](auto *res, auto *req) {
        res->onAborted([]() {});
        res->onData([&app, res, topic = topicOf(req), body = std::string()](std::string_view part,
                                                                              bool isLast) mutable {
            body.append(part);
            if (!isLast) {
                return;
            }
            app.publish(topic, body, uWS::OpCode::TEXT, false);
            std::string answer = "{\"readers\":" + std::to_string(app.numSubscribers(topic)) + "}";
            res->writeHeader("Content-Type", "application/json")->end(answer);
        });
    };
}

int main(int argc, char **argv) {
    bool isDeflated = argc == 3 && argv[2] == std::string_view("deflate");
    if (argc != 2 && !isDeflated) {
        std::cerr << "usage: server PORT [deflate]" << std::endl;
        return 2;
    }
    uWS::App app;
    bool isListening = false;
    app.ws<PerSocketData>("/ws", broadcast(app, isDeflated))
        .ws<PerSocketData>("/ws/*", broadcast(app, isDeflated))
        .ws<PerSocketData>("/echo", echo())
        .post("/ws", post(app))
        .post("/ws/*", post(app))
        .listen("127.0.0.1", std::atoi(argv[1]), [&](auto *socket) { isListening = socket; })
        .run();
    return isListening ? 0 : 1;
}
