use proptest::prelude::*;

use super::*;
use crate::log::search::Which;

const APP: u32 = 1;

struct Said {
    store: Store,
    now: Instant,
}

impl Said {
    fn new(limit: usize) -> Self {
        let mut store = Store::new(limit, None);
        store.open(APP, "app-1".into(), "app".into(), &"node app.js".into(), 0);
        Self { store, now: Instant::now() }
    }

    fn out(&mut self, text: &str) {
        self.store.take(APP, false, text.as_bytes(), 1000, self.now);
    }

    fn err(&mut self, text: &str) {
        self.store.take(APP, true, text.as_bytes(), 1000, self.now);
    }

    fn entries(&mut self) -> Vec<Entry> {
        self.store.close_due(None);
        self.store.page(&Filter::default(), Start::Newest, 1000, false).entries
    }

    fn texts(&mut self) -> Vec<String> {
        self.entries().into_iter().map(|entry| entry.content).collect()
    }
}

#[test]
fn plain_lines_and_others_come_out_in_order() {
    let mut said = Said::new(100);
    said.out("one\ntwo\n");
    said.out("\x1b[31mthree\x1b[0m\r\nfour http://localhost:1/\n");
    said.out("five\n\n");
    assert_eq!(said.texts(), ["one", "two", "three", "four http://localhost:1/", "five", ""]);
    let coloured = said.store.page(&Filter::default(), Start::Newest, 1000, true);
    assert_eq!(coloured.entries[2].content, "\x1b[31mthree\x1b[0m");
    assert_eq!(said.store.take_new_urls().len(), 1);
}

#[test]
fn bytes_that_are_no_text_do_no_harm() {
    let mut said = Said::new(100);
    said.store.take(APP, false, b"caf\xe9\xff\n", 1, said.now);
    said.store.take(77, false, b"nobody\n", 1, said.now);
    assert_eq!(said.texts(), ["caf\u{fffd}\u{fffd}"]);
}

#[test]
fn a_trace_is_one_entry_and_one_error() {
    let mut said = Said::new(100);
    said.err("TypeError: boom\n    at f (/app/a.js:1:2)\n");
    said.out("meanwhile\n");
    said.err("    at g (/app/b.js:3:4)\n");
    said.err("next\n");
    let entries = said.entries();
    assert_eq!(entries[0].content, "meanwhile");
    assert_eq!(entries[1].content, "TypeError: boom\n    at f (/app/a.js:1:2)\n    at g (/app/b.js:3:4)");
    assert_eq!((entries[1].level, entries[1].is_error), (Level::Error, true));
    assert_eq!(entries[2].content, "next");
    let errors: Vec<_> = said.store.errors.iter().map(|it| (it.message.as_str(), it.entry)).collect();
    assert_eq!(errors, [("TypeError: boom", entries[1].number)]);
}

#[test]
fn a_trace_ends_after_a_pause() {
    let mut said = Said::new(100);
    said.err("Error: boom\n");
    assert_eq!(said.store.next_due(), Some(said.now + TRACE_GAP));
    said.store.close_due(Some(said.now));
    assert_eq!(said.store.last(), 0);
    said.now += TRACE_GAP;
    said.store.close_due(Some(said.now));
    assert_eq!(said.store.last(), 1);
    // As an error it may go on a little longer.
    assert!(said.store.next_due().is_some_and(|due| due > said.now));
    assert_eq!(said.store.errors.iter().count(), 0);
    assert_eq!(said.store.errors_so_far().iter().count(), 1);
    said.now = said.store.next_due().unwrap();
    said.store.close_due(Some(said.now));
    assert_eq!((said.store.errors.iter().count(), said.store.next_due()), (1, None));
    said.err("  indented\n");
    assert_eq!(said.texts(), ["Error: boom", "  indented"]);
}

#[test]
fn a_place_without_an_error_is_no_trace() {
    let mut said = Said::new(100);
    said.err("/app/a.js:12\nwas changed\ndone\n");
    assert_eq!(said.texts(), ["/app/a.js:12", "was changed", "done"]);
    assert_eq!(said.store.errors.iter().count(), 0);
}

#[test]
fn secrets_are_masked_also_between_colours() {
    let mut said = Said::new(100);
    said.out("\x1b[1mAPI_TOKEN\x1b[0m=abcdefgh\n-----BEGIN PRIVATE KEY-----\nMIIE\nabc\n-----END PRIVATE KEY-----\nend\n");
    let page = said.store.page(&Filter::default(), Start::Newest, 1000, true);
    let texts: Vec<_> = page.entries.iter().map(|entry| entry.content.as_str()).collect();
    let key = ["-----BEGIN PRIVATE KEY-----", "[masked]", "-----END PRIVATE KEY-----"];
    assert_eq!(texts, ["API_TOKEN=[masked]", key[0], key[1], key[2], "end"]);
}

#[test]
fn a_telling_word_takes_no_error_and_no_url_away() {
    let mut said = Said::new(100);
    let error = "TypeError: boom\n    at reset (/app/reset-password.ts:30:44)";
    said.err(&format!("{error}\n"));
    said.out("Auth: http://localhost:4000/?token=abcdef\n");
    assert_eq!(said.texts(), ["Auth: http://localhost:4000/?token=[masked]", error]);
    let places: Vec<_> =
        said.store.errors.iter().map(|error| error.place.clone().unwrap_or_default()).collect();
    assert_eq!(places, ["/app/reset-password.ts:30:44"]);
    let urls: Vec<_> = said.store.urls.iter().map(|it| (it.url.as_str(), it.label.as_deref())).collect();
    assert_eq!(urls, [("http://localhost:4000/?token=***", Some("Auth"))]);
}

#[test]
fn repeats_are_counted_in_lines_and_errors() {
    let mut said = Said::new(100);
    said.out(&"tick\n".repeat(500));
    said.out(&"error: lost\n".repeat(3));
    let entries = said.entries();
    assert_eq!(entries.iter().map(|it| it.repeats).collect::<Vec<_>>(), [500, 3]);
    assert_eq!(said.store.errors.iter().map(|it| it.count).collect::<Vec<_>>(), [3]);
}

#[test]
fn pages_lead_through_the_whole_log() {
    let mut said = Said::new(10);
    for line in 1..=25 {
        said.out(&format!("line {line}\n"));
    }
    let filter = Filter::default();
    let newest = said.store.page(&filter, Start::Newest, 4, false);
    assert_eq!(newest.entries.iter().map(|it| it.number).collect::<Vec<_>>(), [22, 23, 24, 25]);
    assert!(newest.has_older && newest.cursor == 25);
    let older = said.store.page(&filter, Start::Before(22), 100, false);
    assert_eq!(older.entries.first().map(|it| it.number), Some(16));
    assert!(!older.has_older);
    let first = said.store.page(&filter, Start::After(0), 3, false);
    assert_eq!(first.entries.iter().map(|it| it.number).collect::<Vec<_>>(), [16, 17, 18]);
    assert!(first.missed && first.has_newer && first.cursor == 18);
    let rest = said.store.page(&filter, Start::After(first.cursor), 100, false);
    assert_eq!((rest.entries.len(), rest.missed, rest.has_newer, rest.cursor), (7, false, false, 25));
}

#[test]
fn processes_are_told_apart_and_forgotten() {
    let mut said = Said::new(10);
    said.store.open(2, "web-2".into(), "web".into(), &"vite".into(), 0);
    said.out("error: of app\n");
    said.store.take(2, false, b"of web http://localhost:2\n", 1, said.now);
    said.store.close_due(None);
    let filter = Filter { processes: Which::Only(vec![2]), ..Filter::default() };
    let page = said.store.page(&filter, Start::Newest, 10, false);
    assert_eq!(page.entries.iter().map(|it| &*it.id).collect::<Vec<_>>(), ["web-2"]);
    said.store.forget(2);
    assert_eq!(said.texts(), ["error: of app"]);
    assert_eq!(said.store.urls.iter().count(), 0);
}

proptest! {
    /// What a closer look makes of lines is the same whether they come at once or one by one.
    #[test]
    fn blocks_do_not_matter(lines in prop::collection::vec("(Error: )?[ a-c]{0,3}(\x1b\\[1m)?[a-c]{0,2}", 1..20)) {
        let mut at_once = Said::new(1000);
        at_once.out(&lines.iter().map(|line| format!("{line}\n")).collect::<String>());
        let mut one_by_one = Said::new(1000);
        for line in &lines {
            one_by_one.out(&format!("{line}\n"));
        }
        prop_assert_eq!(at_once.entries(), one_by_one.entries());
    }
}

#[test]
fn the_command_that_a_manager_shows_is_not_what_the_script_says() {
    let mut said = Said::new(100);
    said.out("\n> shop@1.0.0 app\n> node app.js || echo 'fatal error: http://localhost:9/'\n\n");
    said.out("up\n");
    assert_eq!(said.entries().len(), 5);
    assert_eq!((said.store.error_count, said.store.take_new_urls()), (0, vec![]));
    let ready = |words| {
        let text = Some(crate::log::search::Pattern::words(words).unwrap());
        said.store.first_after(&Filter { text, no_echo: true, ..Filter::default() }, 0)
    };
    assert_eq!(ready("node"), None);
    assert!(ready("up").is_some());
}

#[test]
fn what_a_page_says_names_no_url() {
    let mut log = Said::new(100);
    log.err("[browser] [console.warn] http://localhost:1/ a\n  Local: http://localhost:2/\n");
    log.err("  Listening on 3000\n");
    assert!(log.store.is_page(1, true) && !log.store.is_page(1, false));
    log.err("up\n");
    assert!(!log.store.is_page(1, true));
    log.err("  Local: http://localhost:4/\n");
    let urls: Vec<&str> = log.store.urls.iter().map(|url| url.url.as_str()).collect();
    assert_eq!(urls, ["http://localhost:4/"]);
}
