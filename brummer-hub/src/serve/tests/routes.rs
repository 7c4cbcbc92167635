use axum::{Router, routing};
use rmcp::{
    RoleServer, ServerHandler,
    model::{
        Implementation, ListToolsResult, PaginatedRequestParams, ServerCapabilities, ServerConfig, Tool,
    },
    service::RequestContext,
};

use super::*;

#[tokio::test]
async fn every_response_states_the_id() {
    let (builder, _data) = with_tools();
    let server = builder.id(InstanceId::parse("my-id").unwrap()).start().await.unwrap();
    let port = server.port();
    let mut strange = get(port, "/mcp");
    strange.headers_mut().insert(header::HOST, "example.com".parse().unwrap());
    let mut method = get(port, "/mcp");
    *method.method_mut() = Method::PUT;
    for (request, status) in [
        (modern(port, "tools/list", json!({})), 200),
        (strange, 403),
        (get(port, "/other"), 404),
        (method, 405),
        (post(port, &json!({ "jsonrpc": "2.0", "id": 1, "method": "ping" })), 400),
    ] {
        let response = send(port, request).await;
        assert_eq!(response.status(), status);
        assert_eq!(response.headers()["brummer-instance-id"], "my-id");
    }
    server.shutdown().await;
}

#[tokio::test]
async fn strangers_are_refused_on_all_routes() {
    let (builder, _data) = with_tools();
    let router = Router::new().route("/health", routing::get(|| async { "well" }));
    let server = builder.router(router).start().await.unwrap();
    let port = server.port();
    for path in ["/mcp", "/health", "/other"] {
        for (name, value) in [("host", "example.com"), ("origin", "http://example.com"), ("origin", "null")] {
            let mut request = get(port, path);
            request.headers_mut().insert(name, value.parse().unwrap());
            let response = send(port, request).await;
            assert_eq!(response.status(), StatusCode::FORBIDDEN, "{path} {name} {value}");
            let body: Value = serde_json::from_str(&text(response).await).unwrap();
            assert_eq!(body["error"]["code"], -32600);
        }
    }
    let mut page = get(port, "/health");
    page.headers_mut().insert("origin", "http://localhost:5173".parse().unwrap());
    assert_eq!(text(send(port, page).await).await, "well");
    server.shutdown().await;
}

async fn panics() -> &'static str {
    panic!("as it was asked to")
}

#[tokio::test]
async fn the_programs_routes_stand_beside_the_endpoint() {
    let (builder, _data) = with_tools();
    let router = Router::new()
        .route("/mcp", routing::any(|| async { "not this one" }))
        .route("/panic", routing::get(panics));
    let server = builder.router(router).start().await.unwrap();
    let port = server.port();
    assert_eq!(ask_modern(port, "tools/list", json!({})).await["tools"][0]["name"], "echo");
    assert_eq!(send(port, get(port, "/panic")).await.status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(send(port, get(port, "/other")).await.status(), StatusCode::NOT_FOUND);
    server.shutdown().await;
}

#[tokio::test]
async fn a_program_may_answer_everything_itself() {
    let (builder, _data) = builder();
    let server = builder.only_router(Router::new().route("/mcp", routing::get(|| async { "mine" }))).start();
    let server = server.await.unwrap();
    let response = send(server.port(), get(server.port(), "/mcp")).await;
    assert_eq!(response.headers()["brummer-instance-id"], server.id().as_str());
    assert_eq!(text(response).await, "mine");
    server.shutdown().await;
}

/// A handler of the SDK, as a program may have one.
struct Mine(&'static str);

impl ServerHandler for Mine {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder().enable_tools().build();
        ServerConfig::new(capabilities).with_server_info(Implementation::new(self.0, "1"))
    }

    async fn list_tools(
        &self,
        _page: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, rmcp::ErrorData> {
        Ok(ListToolsResult::with_all_items(vec![Tool::new("own", "Its own", rmcp::model::JsonObject::new())]))
    }
}

#[tokio::test]
async fn a_handler_of_the_sdk_is_served_in_both_eras() {
    let (builder, _data) = builder();
    let server = builder.handler(|| Mine("mine")).start().await.unwrap();
    let client = LegacyClient::open(server.port(), "2025-06-18").await;
    assert_eq!(client.initialized["serverInfo"]["name"], "mine");
    assert_eq!(client.ask("tools/list", json!({})).await["tools"][0]["name"], "own");
    assert_eq!(ask_modern(server.port(), "tools/list", json!({})).await["tools"][0]["name"], "own");
    server.shutdown().await;
}

#[tokio::test]
async fn two_servers_run_in_one_process() {
    let (one, other) = (builder(), builder());
    let one_server = one.0.handler(|| Mine("one")).start().await.unwrap();
    let other_server = other.0.handler(|| Mine("other")).start().await.unwrap();
    assert_ne!(one_server.id(), other_server.id());
    let client = LegacyClient::open(one_server.port(), "2025-11-25").await;
    let stranger = LegacyClient {
        port: other_server.port(),
        ..LegacyClient::open(one_server.port(), "2025-11-25").await
    };
    assert_eq!(stranger.request(7, "ping", json!({})).await.status(), StatusCode::NOT_FOUND);
    other_server.shutdown().await;
    assert_eq!(client.ask("ping", json!({})).await, json!({}));
    one_server.shutdown().await;
}
