use serde_json::{Value, json};

use super::*;

fn options(data: &Path) -> RegistrationOptions {
    RegistrationOptions { directories: Directories::only(data), ..RegistrationOptions::new(7778) }
}

fn contents(registration: &Registration) -> Value {
    serde_json::from_slice(&fs::read(registration.file()).unwrap()).unwrap()
}

fn entries(directory: &Path) -> usize {
    fs::read_dir(directory).unwrap().count()
}

#[test]
fn the_defaults_describe_this_process() {
    let data = tempfile::tempdir().unwrap();
    let registration = Registration::announce(options(data.path())).unwrap();
    let contents = contents(&registration);
    let keys: Vec<&str> = contents.as_object().unwrap().keys().map(String::as_str).collect();
    let (documented, optional) = keys.split_at(8);
    assert_eq!(documented, ["id", "pid", "path", "port", "started", "name", "has_package_json", "last_seen"]);
    assert_eq!(optional, if cfg!(target_os = "linux") { &["pid_namespace"][..] } else { &[] });
    assert_eq!(contents["id"], registration.id().as_str());
    assert_eq!(contents["pid"], process::id());
    assert_eq!(contents["port"], 7778);
    assert_eq!(contents["path"], env::current_dir().unwrap().to_str().unwrap());
    assert_eq!(contents["name"], "brummer-hub");
    assert_eq!(contents["has_package_json"], false);
    assert_eq!(contents["last_seen"], contents["started"]);
    assert!(contents["started"].as_str().unwrap().parse::<Timestamp>().is_ok());
    assert_eq!(uuid::Uuid::parse_str(registration.id().as_str()).unwrap().get_version_num(), 4);
    assert_eq!(entries(&data.path().join("temp")), 0, "no draft is left");
}

#[test]
fn a_package_json_gives_the_name() {
    let data = tempfile::tempdir().unwrap();
    let project = data.path().join("project");
    fs::create_dir(&project).unwrap();
    fs::write(project.join("package.json"), r#"{"name":"@me/site","version":"1.0.0"}"#).unwrap();
    let mut options = options(data.path());
    options.path = Some(project.clone());
    let registration = Registration::announce(options.clone()).unwrap();
    assert_eq!(contents(&registration)["name"], "@me/site");
    assert_eq!(contents(&registration)["has_package_json"], true);

    fs::write(project.join("package.json"), "{}").unwrap();
    assert_eq!(Registration::announce(options).unwrap().doorbell().name, "project");
}

#[test]
fn everything_can_be_given() {
    let data = tempfile::tempdir().unwrap();
    let mut options = options(data.path());
    options.id = Some(InstanceId::parse("web-1").unwrap());
    options.pid = Some(4711);
    options.name = Some("web".to_owned());
    options.endpoint = Some("/api/mcp".to_owned());
    options.version = Some("1.2.3".to_owned());
    options.labels.insert("team".to_owned(), "a".to_owned());
    let registration = Registration::announce(options).unwrap();
    assert_eq!(registration.file(), data.path().join("instances/web-1.json"));
    let contents = contents(&registration);
    assert_eq!(contents["pid"], 4711);
    assert_eq!(contents["endpoint"], "/api/mcp");
    assert_eq!(contents["version"], "1.2.3");
    assert_eq!(contents["labels"], json!({"team": "a"}));
}

#[test]
fn it_is_removed_once_by_either_way() {
    let data = tempfile::tempdir().unwrap();
    let registration = Registration::announce(options(data.path())).unwrap();
    let file = registration.file().to_owned();
    drop(registration);
    assert!(!file.exists());

    let registration = Registration::announce(options(data.path())).unwrap();
    fs::remove_file(registration.file()).unwrap();
    registration.remove().unwrap();
}

#[test]
fn a_successor_s_file_is_left_alone() {
    let data = tempfile::tempdir().unwrap();
    let mut options = options(data.path());
    options.id = Some(InstanceId::parse("web").unwrap());
    let former = Registration::announce(options.clone()).unwrap();
    options.port = 7779;
    let successor = Registration::announce(options).unwrap();
    former.remove().unwrap();
    assert_eq!(contents(&successor)["port"], 7779);
    fs::write(successor.file(), "not a doorbell").unwrap();
    let file = successor.file().to_owned();
    successor.remove().unwrap();
    assert!(file.exists());
}

#[test]
fn what_no_hub_would_accept_is_refused() {
    let data = tempfile::tempdir().unwrap();
    let mut options = options(data.path());
    options.endpoint = Some("//mcp".to_owned());
    let error = Registration::announce(options).unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot announce this: `endpoint` must be a path that begins with one slash"
    );
    assert!(!data.path().join("instances").exists());
}

#[cfg(unix)]
#[test]
fn others_may_not_read_it() {
    use std::os::unix::fs::PermissionsExt;
    let data = tempfile::tempdir().unwrap();
    let registration = Registration::announce(options(&data.path().join("brummer"))).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(registration.file()), 0o600);
    for directory in ["brummer", "brummer/instances", "brummer/temp"] {
        assert_eq!(mode(&data.path().join(directory)), 0o700);
    }
}

#[tokio::test(start_paused = true)]
async fn it_is_tried_again_while_it_cannot_be_written() {
    let data = tempfile::tempdir().unwrap();
    let in_the_way = data.path().join("instances");
    fs::write(&in_the_way, "").unwrap();
    let begun = tokio::time::Instant::now();
    let error = Registration::announce_persistently(options(data.path())).await.unwrap_err();
    assert!(matches!(&error, RegistrationError::Write { path, .. } if *path == in_the_way), "{error}");
    assert_eq!(begun.elapsed(), FIRST_PAUSE * 31);

    fs::remove_file(&in_the_way).unwrap();
    let registration = Registration::announce_persistently(options(data.path())).await.unwrap();
    assert!(registration.file().exists());
}
