//! Secrets of any kind in any syntax, of which nothing is to come out, and texts without one, which are to come out as they are.

use proptest::{prelude::*, sample::select};

use super::*;

/// A name of a secret, in one of the ways of writing names.
fn name() -> impl Strategy<Value = String> {
    let before = select(vec![&[][..], &["db"], &["my", "app"], &["x"], &["github"]]);
    let telling = select(vec![
        &["password"][..],
        &["passwd"],
        &["secret"],
        &["token"],
        &["api", "key"],
        &["client", "secret"],
        &["auth", "token"],
        &["access", "key"],
    ]);
    (before, telling, 0..4_u8).prop_map(|(before, telling, way)| {
        let words: Vec<&str> = before.iter().chain(telling).copied().collect();
        match way {
            0 => words.join("_"),
            1 => words.join("_").to_ascii_uppercase(),
            2 => words.join("-"),
            _ => {
                let capital = |word: &&str| word[..1].to_ascii_uppercase() + &word[1..];
                words[0].to_owned() + &words[1..].iter().map(capital).collect::<String>()
            }
        }
    })
}

/// What was drawn by lot, or thought of by somebody who has to have a digit in it.
fn secret() -> impl Strategy<Value = String> {
    "[A-Za-z0-9!*+_.~^@%=-]{0,10}[a-z][0-9][A-Z][A-Za-z0-9]{2,12}[a-z]"
        .prop_filter("no option, nor half of a URL's host", |value| {
            !value.starts_with(['-', '=', '@', '!', '%'])
        })
}

/// `№`: the name, `§`: the secret.
const SYNTAXES: [&str; 72] = [
    "№=§",
    "№ = §",
    "export №=§ next",
    "export №=\"§\"",
    "№='§ §' next",
    "set №=§",
    "a=b;№=§;c=d",
    "{\"№\": \"§\", \"b\": 1}",
    "{\"a\":{\"№\":\"§\"}}",
    "{\\\"№\\\":\\\"§\\\",\\\"b\\\":1}",
    "config { №: '§', b: 1 }",
    "№: §",
    "  - №: §",
    "№: \"§\"",
    "№: '§' # why",
    "{\"№\"=>\"§\", \"b\"=>1}",
    "{:№=>\"§\"}",
    "{:№ => '§'}",
    "array('№' => '§', 'b' => 1)",
    "    [№] => §",
    "'№'   =>   \"§\",",
    "%{\"№\" => \"§\"}",
    "№ := \"§\"",
    "Config { №: Some(\"§\"), b: 1 }",
    "{'№': b'§'}",
    "№=@\"§\"",
    "serve --№ § -v",
    "serve --№=§ -v",
    "serve --№ \"§\" -v",
    "serve --№='§' -v",
    "[\"serve\", \"--№\", \"§\", \"-v\"]",
    "X-№: §",
    "\"x-№\": \"§\"",
    "> Authorization: Bearer §",
    "authorization: §",
    "curl -H 'Authorization: token §' http://h",
    "\"HTTP_AUTHORIZATION\"=>\"Token §\"",
    "authorization: [ 'Digest §' ]",
    "'set-cookie': [ 'sid=§' ]",
    "\"HTTP_COOKIE\"=>\"sid=§\"",
    "postgres://me:§@db:5432/x",
    "to redis://:§@cache/0 now",
    "GET /x?a=b&№=§&c=d HTTP/1.1",
    "http://h.test:80/x?№=§",
    "echo ${№:-§}",
    "№=${№:-§}",
    "№=${OTHER-§} next",
    "user[№]=§",
    "a[b][№]=§&c=d",
    "user%5B№%5D=§&a=b",
    "{\"user[№]\":\"§\"}",
    "{\"name\":\"№\",\"value\":\"§\"}",
    "{ name: '№', value: '§' }",
    "[{\\\"Name\\\": \\\"№\\\", \\\"Value\\\": \\\"§\\\"}]",
    "<property name=\"№\" value=\"§\" />",
    "{\"№\":[\"§\"]}",
    "{\"№\":{\"value\":\"§\"},\"b\":1}",
    "{ №: { value: '§' } }",
    "№            : §",
    "№            =  §",
    "№ ?= §",
    "№ += '§'",
    "№ ||= \"§\"",
    "№=\"\"\"§\"\"\"",
    "№ = '''§''' # why",
    "ALTER ROLE me WITH PASSWORD '§'; x",
    "create user me identified by '§';",
    "CREATE USER me IDENTIFIED WITH some_password BY '§'",
    "{\"cookies\":{\"a\":\"§\",\"b\":\"§\"}}",
    "cookies: { a: '§', b: '§' }",
    ";SharedAccessKeyName=Root;SharedAccessKey=§",
    "Ocp-Apim-Subscription-Key: §",
];

/// How texts begin in which nothing but a name tells of something.
const BEFORE: [&str; 4] = ["", "12:00:01 info ", "$ ", "> x: "];

/// Texts that tell of secrets, and have none. `№`: a name, `¶`: a place in a file.
const INNOCENT: [&str; 60] = [
    "src/№.¶",
    "    at reset (/app/src/№.¶)",
    "src/№.¶ - error TS2322: no",
    "\u{1F4A5} lib/№.¶:in `reset'",
    "C:\\app\\№.¶: error",
    "/app/bin/№:12:34: error",
    "serve --no-№ --env-file .env",
    "serve --disable-№ -x --port 3000",
    "serve --skip-№ all",
    "serve --without-№ --verbose",
    "serve --enable-№ always",
    "serve --№",
    "serve --№ $TOKEN",
    "serve --№ ${TOKEN}",
    "serve --№=\"$TOKEN\" --port 3000",
    "serve --№ $(cat file) --port 3000",
    "serve --№ %TOKEN% x",
    "№=$TOKEN serve",
    "№=${TOKEN} serve",
    "№=${TOKEN:?is not set} serve",
    "№=$(pass show x) serve",
    "№=%TOKEN%",
    "№: ${TOKEN}",
    "\"№\": \"${env:TOKEN}\"",
    "№: ${{ secrets.TOKEN }}",
    "\"№\"=>\"${TOKEN}\"",
    "Authorization: Bearer $TOKEN",
    "curl -H \"Authorization: Bearer ${TOKEN}\" http://h",
    "postgres://$USER:$PASS@db/x",
    "postgres://me:${PASS}@db/x",
    "http://h/x?№=$TOKEN&a=b",
    "the № is missing",
    "№ must have at least 8 characters",
    "№: must have at least 8 characters",
    "invalid №: expected 3 parts",
    "error: option --№ requires a value",
    "authorization: denied by policy 12 of 13",
    "Authorization: access denied",
    "№ page: http://localhost:3000/",
    "№: http://localhost:3000/",
    "№=https://example.com/login?next=home",
    "№: 12.5ms",
    "№: 2026-11-29T12:00:01Z",
    "№=true",
    "№=",
    "№: null",
    "users.map(№ => x1y2z3a4)",
    "http://localhost:3000?mail=me@№.test",
    "{\"№\":{\"type\":\"string\",\"default\":\"\"}}",
    "{\"№\":{\"value\":null}}",
    "{\"name\":\"№\",\"value\":\"${TOKEN}\"}",
    "{\"name\":\"№\",\"valueFrom\":{\"field\":\"a1b2c3d4\"}}",
    "user[№] is not set",
    "PWD=/home/me/shop2",
    "PWD: /home/me/shop2",
    "ENV № is not set",
    "cookie: SameSite=Lax",
    "Set-Cookie: Path=/; HttpOnly",
    "cookies: { sameSite: 'lax', secure: true, maxAge: 3600 }",
    "wrong password 'x1y2z3'",
];

/// Words of command lines with a secret, parted by `|`, and such without one.
const WORDS: [&str; 12] = [
    "--№|§|-v",
    "--№=§",
    "-№|§",
    "-e|№=§",
    "-H|X-№: §",
    "--header=X-№: §",
    "-HAuthorization: Bearer §",
    "-u|me:§",
    "http://h.test/x?№=§",
    "postgres://me:§@db/x",
    "sh|-c|serve --№ § -v",
    "--№|${OTHER:-§}",
];
const INNOCENT_WORDS: [&str; 8] = [
    "--no-№|--env-file|.env",
    "--disable-№|x1y2z3",
    "--№|${TOKEN}",
    "--№=${TOKEN}",
    "-e|№=${TOKEN}",
    "-H|X-№: ${TOKEN}",
    "https://${TOKEN}@h.test/x",
    "--№-file|x1y2z3",
];

/// What else than wanted comes out of a text.
fn wrong(text: &str, wanted: &str) -> Vec<String> {
    let masked = [mask(text).into_owned(), mask_setting(text)];
    masked.into_iter().filter(|masked| masked != wanted).map(|masked| format!("{text} -> {masked}")).collect()
}

proptest! {
    #[test]
    fn no_secret_comes_out(before in select(&BEFORE[..]), name in name(), secret in secret()) {
        for syntax in SYNTAXES {
            let text = |secret: &str| before.to_owned() + &syntax.replace('№', &name).replace('§', secret);
            // Two words in quotes are one secret, a cookie goes with its name.
            let wanted = text(MASK).replace("[masked] [masked]", MASK).replace("sid=[masked]", MASK);
            prop_assert_eq!(wrong(&text(&secret), &wanted), [""; 0]);
            prop_assert!(tests::hinted(&text(&secret)), "{}", syntax);
        }
    }

    #[test]
    fn what_has_no_secret_comes_out_as_it_is(
        before in select(&BEFORE[..]), name in name(), end in "(ts|js|rs|py|vue|go|test\\.tsx):[1-9][0-9]{0,3}:[1-9][0-9]{0,2}",
    ) {
        for text in INNOCENT {
            let text = before.to_owned() + &text.replace('№', &name).replace('¶', &end);
            prop_assert_eq!(wrong(&text, &text), [""; 0]);
        }
    }

    #[test]
    fn no_secret_comes_out_of_words(name in name(), secret in secret()) {
        let words = |words: &str, secret: &str| -> Vec<String> {
            words.split('|').map(|word| word.replace('№', &name).replace('§', secret)).collect()
        };
        for given in WORDS {
            prop_assert_eq!(mask_words(&words(given, &secret)), words(given, MASK));
        }
        for given in INNOCENT_WORDS {
            prop_assert_eq!(mask_words(&words(given, "")), words(given, ""));
        }
    }

    #[test]
    fn whatever_it_is_masking_it_twice_changes_nothing(
        text in "\\PC{0,20}(--?token|token|\\$\\{TOKEN:-|\\$|password|authorization|://)?[=: >]{0,3}[\"'\\\\$\\[]{0,3}\\PC{0,20}",
    ) {
        let once = mask_setting(&text);
        prop_assert_eq!(mask_setting(&once), once.as_str());
        let once = mask(&text).into_owned();
        prop_assert_eq!(mask(&once), once.as_str());
    }
}
