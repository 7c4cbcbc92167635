//! Skills of instances (SEP-2640): listed, described and read by clients of both eras, each from the instance whose it is.

use serde_json::{Value, json};

use crate::support::{Behaviour, Fake, Home, Hub, HubOptions, result, rpc_error, with_meta};

const SKILL: &str = "skill://billing/refunds/SKILL.md";
const FILE: &str = "skill://billing/refunds/examples/email.md";
const DIRECTORY: &str = "skill://billing/refunds/examples";

fn capabilities() -> Value {
    json!({ "resources": {}, "extensions": { "io.modelcontextprotocol/skills": { "directoryRead": true } } })
}

/// A skill that says in its description whose it is. One of the two has another one besides.
fn skills(tag: &str) -> Value {
    let skill = |uri: &str, files: &[&str]| {
        let files =
            files.iter().map(|uri| json!({ "uri": uri, "digest": format!("sha256:{tag}"), "size": 7 }));
        let name = uri.rsplit('/').nth(1);
        let frontmatter = json!({ "name": name, "description": tag, "metadata": { "x": 1.50 } });
        json!({ "uri": uri, "frontmatter": frontmatter, "resources": files.collect::<Vec<_>>() })
    };
    let own = format!("skill://{tag}/SKILL.md");
    json!([skill(SKILL, &[SKILL, FILE]), skill(&own, &[&own])])
}

fn server(tag: &'static str, is_modern: bool) -> Behaviour {
    let welcome = json!({
        "protocolVersion": "2025-11-25", "capabilities": capabilities(), "serverInfo": { "name": tag, "version": "1" },
    });
    let found = json!({
        "resultType": "complete", "ttlMs": 0, "cacheScope": "private", "supportedVersions": ["2026-07-28"],
        "capabilities": capabilities(), "serverInfo": { "name": tag, "version": "1" },
    });
    let has = move |uri: &str| {
        uri.starts_with("skill://billing/refunds") || uri.starts_with(&format!("skill://{tag}"))
    };
    let behaviour = Behaviour::bare()
        .always("initialize", welcome)
        .always("skills/list", json!({ "skills": skills(tag) }))
        .on("skills/get", move |call| {
            let all = skills(tag);
            let found = all.as_array().unwrap().iter().find(|it| it["uri"] == call.params["uri"]);
            std::future::ready(match found {
                Some(skill) => result(&call, json!({ "skill": skill })),
                None => rpc_error(&call, -32602, "no such skill"),
            })
        })
        .on("resources/directory/read", move |call| {
            std::future::ready(if call.params["uri"] == DIRECTORY {
                result(&call, json!({ "resources": [{ "uri": FILE, "name": tag }] }))
            } else {
                rpc_error(&call, -32602, "no such directory")
            })
        })
        .on("resources/read", move |call| {
            let uri = call.params["uri"].as_str().unwrap().to_owned();
            std::future::ready(if has(&uri) {
                result(&call, json!({ "contents": [{ "uri": uri, "text": tag }] }))
            } else {
                rpc_error(&call, if is_modern { -32602 } else { -32002 }, "no such resource")
            })
        });
    if is_modern { behaviour.modern().always("server/discover", found) } else { behaviour }
}

/// A hub that shows the tools of all, or of what is connected, and a client of either era.
struct Client {
    hub: Hub,
    is_modern: bool,
}

impl Client {
    async fn ask(&self, method: &str, params: Value) -> crate::support::Line {
        let params = if self.is_modern { with_meta(params) } else { params };
        self.hub.request(method, params).await
    }

    async fn skills(&self) -> Vec<Value> {
        let listed = self.ask("skills/list", json!({})).await.ok();
        if self.is_modern {
            assert_eq!(
                (&listed["resultType"], &listed["cacheScope"]),
                (&json!("complete"), &json!("private"))
            );
        }
        listed["skills"].as_array().unwrap().clone()
    }
}

async fn clients(home: &Home, fakes: &[(&str, &Fake)]) -> Vec<Client> {
    for (name, fake) in fakes {
        home.announce(name, fake.port);
    }
    let mut clients = Vec::new();
    for is_modern in [false, true] {
        let hub = Hub::start(home, HubOptions::args(&["--tools", "all"])).await;
        hub.instances_until("all are there", |list| {
            list.len() == fakes.len() && list.iter().all(|it| it["state"] == "active")
        })
        .await;
        clients.push(Client { hub, is_modern });
    }
    clients
}

#[tokio::test]
async fn each_skill_is_described_and_read_where_it_is() {
    for is_modern in [[false, false], [true, true], [false, true]] {
        let home = Home::new();
        let fakes =
            [Fake::start(server("aa", is_modern[0])).await, Fake::start(server("bb", is_modern[1])).await];
        let plain = Fake::start(Behaviour::default()).await;
        for client in clients(&home, &[("aa", &fakes[0]), ("bb", &fakes[1]), ("plain", &plain)]).await {
            let listed = client.skills().await;
            let whose = |skill: &Value| skill["frontmatter"]["description"].as_str().unwrap().to_owned();
            assert_eq!(listed.iter().map(whose).collect::<Vec<_>>(), ["aa", "aa", "bb", "bb"]);
            assert_eq!(listed[0], skills("aa")[0], "the first keeps what it says");
            assert_eq!(listed[3], skills("bb")[1], "so does what is one's own");
            for skill in &listed {
                let tag = whose(skill);
                let got = client.ask("skills/get", json!({ "uri": skill["uri"] })).await.ok();
                assert_eq!(got["skill"], *skill, "one spelling, and the same instance");
                for file in skill["resources"].as_array().unwrap() {
                    let read = client.ask("resources/read", json!({ "uri": file["uri"] })).await.ok();
                    assert_eq!(
                        (&read["contents"][0]["uri"], &read["contents"][0]["text"]),
                        (&file["uri"], &json!(tag))
                    );
                }
                let uri = skill["uri"].as_str().unwrap();
                let Some(root) = uri.strip_suffix("/SKILL.md").filter(|root| root.ends_with("refunds"))
                else {
                    continue;
                };
                let within = json!({ "uri": format!("{root}/examples") });
                let children = client.ask("resources/directory/read", within).await.ok();
                assert_eq!(children["resources"][0]["name"], tag);
                assert_eq!(children["resources"][0]["uri"], format!("{root}/examples/email.md"));
            }
            for method in ["skills/get", "resources/directory/read"] {
                let error = client.ask(method, json!({ "uri": "skill://nowhere/SKILL.md" })).await.err();
                assert_eq!(error.code, -32602, "{error:?}");
                assert_eq!(client.ask(method, json!({})).await.err().code, -32602);
            }
            client.hub.end_quietly().await;
        }
        let is_asked = |seen: &crate::support::Seen| seen.method().starts_with("skills/");
        assert!(!plain.seen().iter().any(is_asked), "it has said that it has none");
    }
}

#[tokio::test]
async fn what_is_connected_alone_speaks_for_itself() {
    let home = Home::new();
    let fake = Fake::start(server("aa", false)).await;
    let id = home.announce("aa", fake.port);
    let hub = Hub::start(&home, HubOptions::default()).await;
    assert_eq!(hub.request("skills/list", json!({})).await.ok()["skills"], json!([]), "nothing is connected");
    hub.connect(&id).await;
    assert_eq!(hub.request("skills/list", json!({})).await.ok()["skills"], skills("aa"));
    let got = hub.request("skills/get", json!({ "uri": SKILL })).await.ok();
    assert_eq!(got["skill"], skills("aa")[0]);
    let error = hub.request("skills/get", json!({ "uri": "skill://b/SKILL.md" })).await.err();
    assert_eq!((error.code, error.message.as_str()), (-32602, "no such skill"));
    hub.end_quietly().await;
}
