//! The forms in which tools write places, filled with paths as projects have them: the place that is read must be the one that
//! was written. And those in which loggers write messages: the level decides, whatever words a message has.

use proptest::prelude::*;
use tokio::time::Instant;

use super::*;
use crate::detect::{
    engine::{Change, Engine, Finding, Origin},
    place::Place,
};

/// Which paths may stand in a form.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Paths {
    /// Any: it is clear where they begin and end.
    Any,
    /// Those that begin at a root, or with a part that has no blanks.
    Clear,
    /// Those that begin at a root.
    Rooted,
    /// Those that say that they begin where the tool runs.
    Dotted,
    /// Those without blanks and brackets, which is all that a form can tell apart.
    Simple,
    /// The name of a file alone.
    Name,
}

use Paths::{Any, Clear, Dotted, Name, Rooted, Simple};

/// A line of a tool with `{path}`, `{line}` and `{column}`; which paths it may have, and with which ending.
#[rustfmt::skip]
const FORMS: &[(&str, Paths, &str)] = &[
    // JavaScript: stacks.
    ("    at Page ({path}:{line}:{column})", Any, "tsx"),
    ("    at async Object.<anonymous> ({path}:{line}:{column})", Any, "ts"),
    ("    at new Cart ({path}:{line}:{column}) {", Any, "mjs"),
    ("    at Module.load [as default] ({path}:{line}:{column}),", Any, "js"),
    ("at Page ({path}:{line}:{column})", Any, "tsx"),
    ("  ⁃ at Page ({path}:{line}:{column})", Any, "tsx"),
    ("    at {path}:{line}:{column}", Rooted, "js"),
    ("    at async {path}:{line}:{column}", Rooted, "js"),
    ("    at eval (eval at run ({path}:{line}:{column}), <anonymous>:1:1)", Simple, "js"),
    (" ❯ {path}:{line}:{column}", Clear, "ts"),
    (" ❯ Object.price {path}:{line}:{column}", Clear, "ts"),
    (" ❯ a/b: price {path}:{line}:{column}", Simple, "ts"),
    ("    price ({path}:{line}:{column})", Any, "ts"),
    ("    price (of tea) ({path}:{line}:{column})", Simple, "ts"),
    ("    at price (http://localhost:5173/{path}:3:5)", Simple, "ts"),
    ("    at price (webpack://shop/./{path}?:3:5)", Simple, "js"),
    (" > price ../../_nuxt/{path}:3:5", Simple, "ts"),
    (" > price ../../../{path}:{line}:{column}", Simple, "ts"),
    ("    › {path}:{line}:{column}", Clear, "ts"),
    ("      {path}:{line}:{column}", Clear, "ts"),
    // Compilers and linters.
    ("{path}({line},{column}): error TS2322: Type 'a' is wrong.", Any, "ts"),
    ("  {path}({line},{column}): error CS1002: ; expected [/app/app.csproj]", Any, "cs"),
    ("{path}:{line}:{column} - error TS2322: Type 'a' is wrong.", Any, "tsx"),
    ("{path}:{line}:{column} - error: Expression is wrong (reportGeneralTypeIssues)", Any, "py"),
    ("{path}:{line}:{column}: error: use of undeclared identifier", Any, "c"),
    ("{path}:{line}: error: something is wrong  [arg-type]", Any, "py"),
    ("{path}", Clear, "js"),
    ("SyntaxError: {path} ({line}:{column}): Unexpected token", Clear, "js"),
    ("[error] {path}: SyntaxError: Unexpected token ({line}:{column})", Clear, "js"),
    ("SyntaxError: {path}: Unexpected token ({line}:{column})", Clear, "js"),
    ("{path}:{line}:{column}: F401 [*] `os` is not used", Clear, "py"),
    ("{path}:{line}:{column}: Something is missing [Error/no-undef]", Clear, "js"),
    ("{path}: line {line}, col {column}, Error - Something is missing (no-undef)", Clear, "js"),
    ("{path}:(.text+0x1): undefined reference to `f'", Clear, "c"),
    ("ParseError: Unrecognised input in {path} on line {line}, column {column}:", Clear, "less"),
    ("error: cannot format: {path}:{line}:{column}", Clear, "py"),
    ("12 Error when evaluating SSR module /a.ts: Cannot find module './b' imported from '{path}'", Clear, "ts"),
    ("12 Error when evaluating SSR module /a.ts: {path}:{line}:{column} Unexpected token", Clear, "ts"),
    ("ERROR  {path} — Element is missing end tag.", Clear, "vue"),
    ("ℹ Error: {path} — Element is missing end tag.", Clear, "vue"),
    ("ℹ Error: Cannot find module './b' imported from '{path}'", Clear, "ts"),
    ("Error: Cannot find module './b' imported from '{path}'", Clear, "ts"),
    ("{path}:{line}:{column}: Something is wrong", Clear, "js"),
    ("{path}:{line}:{column}: invalid-syntax: Expected a name", Clear, "py"),
    ("{path}:{line}:{column}: undefined: totl", Clear, "go"),
    ("    {path}:{line}: got 2, want 3", Any, "_test.go"),
    ("    {path}:{line}: ", Any, "_test.go"),
    ("ERROR in {path}({line},{column})", Clear, "ts"),
    ("ERROR in {path} {line}:{column}-9", Clear, "ts"),
    ("{path} {line}:{column}-12", Clear, "ts"),
    ("error - {path}:{line}:{column}", Clear, "tsx"),
    ("- error {path}", Clear, "tsx"),
    ("- error {path} ({line}:{column}) @ Page", Clear, "tsx"),
    ("[plugin vite:css] {path}:{line}:{column}", Clear, "css"),
    ("{path}:{line}:{column} lint/style/useConst  FIXABLE  ━━━━", Clear, "ts"),
    ("{path} format ━━━━", Clear, "ts"),
    ("⨯ {path}:{line}:{column}", Clear, "tsx"),
    ("⨯ {path} ({line}:{column}) @ Page", Clear, "tsx"),
    ("File: {path}:{line}:{column}", Any, "vue"),
    (" FILE  {path}:{line}:{column}", Any, "vue"),
    ("  File: {path}", Any, "vue"),
    ("location: '{path}:{line}:{column}'", Any, "js"),
    ("{path} ({line}:{column})", Clear, "js"),
    ("  {path} {line}:{column}  root stylesheet", Clear, "scss"),
    ("{path}:{line}:{column}", Clear, "tsx"),
    ("{path}:{line}", Clear, "js"),
    ("     ╭─[ {path}:{line}:{column} ]", Any, "tsx"),
    ("  --> {path}:{line}:{column}", Any, "rs"),
    ("thread 'main' panicked at {path}:{line}:{column}:", Any, "rs"),
    ("thread 'main' (712) panicked at {path}:{line}:{column}:", Any, "rs"),
    ("thread 'main' panicked at 'no price', {path}:{line}:{column}", Any, "rs"),
    ("error   [browser] Uncaught TypeError: no price at price ({path}:{line}:{column})", Clear, "ts"),
    ("[browser] {path}:{line}:{column}", Clear, "ts"),
    ("ERROR: {path} Imports are incorrectly sorted", Clear, "py"),
    // Tests.
    (" FAIL  {path} > adds up", Clear, "ts"),
    ("  1) {path}:{line}:{column} › adds up ──────", Clear, "ts"),
    ("1. ({path})", Clear, "ts"),
    // Python.
    ("  File \"{path}\", line {line}, in price", Any, "py"),
    ("{path}:{line}: AssertionError", Clear, "py"),
    // Ruby.
    ("{path}:{line}:in `price': no price (ArgumentError)", Any, "rb"),
    ("{path}:{line}:in 'Cart#price': no price (Shop::NoPrice)", Any, "rb"),
    ("{path}:{line}:in 'price': unhandled exception", Any, "rb"),
    ("{path}:{line}:in 'price': no price (RuntimeError", Any, "rb"),
    ("{path}:{line}: syntax error, unexpected end-of-input", Any, "rb"),
    ("/app/a.rb:1:in 'Kernel#require': {path}:{line}: syntax errors found (SyntaxError)", Any, "rb"),
    ("\tfrom {path}:{line}:in `<main>'", Any, "rb"),
    ("     # {path}:{line}:in 'block in price'", Any, "rb"),
    ("     # {path}:{line}", Dotted, "rb"),
    ("CartTest#test_price [{path}:{line}]:", Any, "rb"),
    // Elixir.
    ("** (CompileError) {path}:{line}: undefined function totl/0", Any, "ex"),
    ("** (SyntaxError) invalid syntax found on {path}:{line}:{column}:", Any, "ex"),
    ("    └─ {path}:{line}:{column}: Shop.Cart.price/1", Any, "ex"),
    ("== Compilation error in file {path} ==", Any, "ex"),
    ("     {path}:{line}", Any, "exs"),
    ("    (shop 0.1.0) {path}:{line}: Shop.Cart.price/1", Clear, "ex"),
    // PHP.
    ("PHP Fatal error:  Uncaught LogicException: no price in {path}:{line}", Any, "php"),
    ("PHP Parse error:  Unclosed '[' in {path} on line {line}", Any, "php"),
    ("Next RuntimeException: no cart in {path}:{line}", Any, "php"),
    ("  thrown in {path} on line {line}", Any, "php"),
    ("#0 {path}({line}): price()", Any, "php"),
    ("127.0.0.1:4711 [500]: GET / - Uncaught LogicException: no price in {path}:{line}", Any, "php"),
    (r#"local.ERROR: no price {"exception":"[object] (App\\NoPrice(code: 0): no price at {path}:{line})"#, Any, "php"),
    ("  at {path}:{line}", Any, "php"),
    ("  16  {path}:{line}", Any, "php"),
    ("   │ {path}:{line}", Any, "php"),
    // Java, Kotlin, C#.
    ("\tat com.example.Cart.price({path}:{line})", Name, "java"),
    ("\tat app//shop.MainKt$main$1.invoke({path}:{line}) ~[main/:na]", Name, "kt"),
    ("    org.opentest4j.AssertionFailedError at {path}:{line}", Name, "java"),
    ("e: {path}:{line}:{column} Unresolved reference 'totl'.", Any, "kt"),
    ("e: {path}: ({line}, {column}): Unresolved reference: totl", Any, "kt"),
    ("Build file '{path}' line: {line}", Any, "gradle"),
    ("[ERROR] {path}:[{line},{column}] ';' expected", Any, "java"),
    ("[error] {path}:{line}:{column}: not found: value totl", Any, "scala"),
    ("[error] -- [E006] Not Found Error: {path}:{line}:{column} ", Any, "scala"),
    ("   at Shop.Cart.Load(String name) in {path}:line {line}", Any, "cs"),
    ("  at Shop.Cart.Load (System.String name) [0x00008] in {path}:{line} ", Any, "cs"),
    ("{path} : error NU1101: Unable to find package", Any, "csproj"),
    // Go and what is compiled to the machine's code.
    ("{path}:{line}: fatal: cannot open the cart", Any, "go"),
    ("\t{path}:{line} +0x1d", Rooted, "go"),
    ("ERROR\t{path}:{line}\tcannot load\t{}", Any, "go"),
    ("{path}:{line}:{column}: 0x113fb3f in at (main.zig)", Any, "zig"),
    ("{path}:{line}: Fatal error: Index out of range", Any, "swift"),
    ("Fatal error: Index out of range: file {path}, line {line}", Any, "swift"),
    ("shop: {path}:{line}: main: Assertion `x == 3' failed.", Any, "c"),
    ("Assertion failed: (x), function main, file {path}, line {line}.", Any, "c"),
    ("{path}:{line}:{column}: runtime error: signed integer overflow", Any, "cpp"),
    ("    #0 0x55e9435b01c3 in last {path}:{line}", Rooted, "c"),
];

/// Parts of paths.
const PLAIN: [&str; 8] = ["src", "app", "lib-2", "a.b", "@scope", "größe", "日本", "_x"];
const BRACKETS: [&str; 6] = ["(shop)", "[slug]", "[...all]", "[[...all]]", "(.)photo", "$id"];
const BLANKS: [&str; 5] = ["my comp", "lib (old)", "My Name", "größe 2", "a & b"];
const ROOTS: [&str; 4] = ["/", "/home/u/", "C:\\Users\\My Name\\", "./"];

/// A path, with or without its root, as far as it may stand in the form.
fn path(paths: Paths, ending: &'static str) -> BoxedStrategy<String> {
    let pick = |sets: &[&[&'static str]]| prop::sample::select(sets.concat());
    let (first, inner, roots): (_, _, &[&str]) = match paths {
        Any => (pick(&[&PLAIN, &BRACKETS, &BLANKS]), pick(&[&PLAIN, &BRACKETS, &BLANKS]), &ROOTS),
        Clear => (pick(&[&PLAIN, &BRACKETS]), pick(&[&PLAIN, &BRACKETS, &BLANKS]), &ROOTS),
        Rooted => (pick(&[&PLAIN, &BRACKETS, &BLANKS]), pick(&[&PLAIN, &BRACKETS, &BLANKS]), &ROOTS[..2]),
        Dotted => (pick(&[&PLAIN, &BRACKETS, &BLANKS]), pick(&[&PLAIN, &BRACKETS, &BLANKS]), &ROOTS[3..]),
        Simple | Name => (pick(&[&PLAIN]), pick(&[&PLAIN]), &[]),
    };
    let mut bases: Vec<&str> = roots.to_vec();
    if !matches!(paths, Rooted | Dotted) {
        bases.push("");
    }
    let depth = if paths == Name { 0..1 } else { 0..4usize };
    let parts = (first, prop::collection::vec(inner.clone(), depth), inner);
    (prop::sample::select(bases), parts)
        .prop_map(move |(root, (first, between, name))| {
            let separator = if root.contains('\\') { "\\" } else { "/" };
            // A name with blanks needs something before it that says where it begins.
            let alone = root.is_empty() && between.is_empty() && paths != Any;
            let name = if alone { PLAIN[name.len() % PLAIN.len()] } else { name };
            let directory: Vec<&str> =
                if alone { Vec::new() } else { [&[first], between.as_slice()].concat() };
            let dot = if ending.starts_with('_') { "" } else { "." };
            let parts = directory.into_iter().map(str::to_owned).chain([format!("{name}{dot}{ending}")]);
            format!("{root}{}", parts.collect::<Vec<_>>().join(separator))
        })
        .prop_map(
            move |path| {
                if paths == Name { path.rsplit('/').next().unwrap_or_default().to_owned() } else { path }
            },
        )
        .boxed()
}

fn written(form: &str, path: &str, line: u32, column: u32) -> String {
    form.replace("{path}", path).replace("{line}", &line.to_string()).replace("{column}", &column.to_string())
}

fn read(text: &str) -> Option<Place> {
    let (_, captures) = ALL.read(text)?;
    let group = |name: &str| captures.name(name).map(|found| found.as_str());
    Some(Place::new(group("file")?, group("line"), group("column")))
}

proptest! {
    #[test]
    fn the_place_that_is_read_is_the_one_that_was_written(
        (form, path) in prop::sample::select(FORMS).prop_flat_map(|(form, paths, ending)| (Just(form), path(paths, ending))),
        line in 1..5000u32,
        column in 1..300u32,
    ) {
        let text = written(form, &path, line, column);
        let number = |name: &str, number: u32| form.contains(name).then(|| number.to_string());
        let (line, column) = (number("{line}", line), number("{column}", column));
        prop_assert_eq!(read(&text), Some(Place::new(&path, line.as_deref(), column.as_deref())), "{}", text);
    }
}

/// What runners of several scripts, and the log of a system, put before each line.
const PREFIXES: [&str; 23] = [
    "[0] ",
    "[web] ",
    "[dev      ] ",
    "[web]: ",
    "[10:00:00] [web] ",
    "[2026-11-29 10:00:00.123] [web] ",
    "web | ",
    "web-1  | ",
    "web.1 | ",
    "17:21:01 web.1  | ",
    "17:21:01 web.1 | ",
    "5:21:01 PM web.1        |  ",
    "0|app  | ",
    "12|shop-api | ",
    "web:dev: ",
    "packages/web dev: ",
    "apps/web dev$ ",
    "@acme/web: ",
    "Nov 29 12:00:00 host app[4711]: ",
    "Nov  9 12:00:00 host app: ",
    "2026-11-29T12:00:00+0000 host app[4711]: ",
    "2026-11-29T12:00:00.123456+00:00 app[web.1]: ",
    "<14>1 2026-11-29T12:00:00Z host app 4711 - - ",
];

/// The name of a script that is known only by what has followed it.
const BARE: &str = "web: ";

fn behind(prefix: &str, lines: &[String]) -> Vec<String> {
    lines.iter().flat_map(|line| line.split('\n')).map(|line| format!("{prefix}{line}")).collect()
}

proptest! {
    #[test]
    fn what_stands_before_each_line_changes_nothing(
        (form, path) in prop::sample::select(FORMS).prop_flat_map(|(form, paths, ending)| (Just(form), path(paths, ending))),
        prefix in prop::sample::select([&PREFIXES[..], &[BARE]].concat()),
    ) {
        let lines = ["TypeError: no price".to_owned(), written(form, &path, 3, 5), "    at load (/app/cart.js:3:5)".to_owned()];
        prop_assert_eq!(found(&behind(prefix, &lines)), found(&lines), "{} {:?}", prefix, lines);
    }
}

/// How a logger names its levels.
#[derive(Debug)]
struct Levels {
    low: &'static [&'static str],
    warning: &'static str,
    error: &'static str,
}

const CAPITALS: Levels = Levels { low: &["TRACE", "DEBUG", "INFO"], warning: "WARN", error: "ERROR" };
const PADDED: Levels = Levels { low: &["TRACE", "DEBUG", "INFO "], warning: "WARN ", error: "ERROR" };
const PYTHON: Levels = Levels { low: &["DEBUG", "INFO"], warning: "WARNING", error: "ERROR" };
const SMALL: Levels = Levels { low: &["debug", "info"], warning: "warn", error: "error" };
const WORDS: Levels = Levels { low: &["debug", "info", "notice"], warning: "warning", error: "error" };
const SHORT: Levels = Levels { low: &["VRB", "DBG", "INF"], warning: "WRN", error: "ERR" };
const DOTNET: Levels = Levels { low: &["trce", "dbug", "info"], warning: "warn", error: "fail" };
const RUBY: Levels = Levels { low: &["D|DEBUG", "I| INFO"], warning: "W| WARN", error: "E|ERROR" };
const LETTER: Levels = Levels { low: &["I"], warning: "W", error: "E" };
const REACT: Levels = Levels { low: &["LOG", "INFO", "DEBUG"], warning: "WARN", error: "ERROR" };
const NEST: Levels = Levels { low: &["    LOG", "  DEBUG", "VERBOSE"], warning: "   WARN", error: "  ERROR" };
const POSTGRES: Levels =
    Levels { low: &["LOG", "HINT", "DETAIL", "NOTICE"], warning: "WARNING", error: "ERROR" };

/// A line of a logger, with `{level}` and `{message}`. The two parts of a level of Ruby are `{letter}` and `{level}`.
#[rustfmt::skip]
const LOGGERS: &[(&str, &Levels)] = &[
    // Java: Logback, Log4j, SLF4J, Spring Boot.
    ("12:00:00.123 [main] {level} com.acme.Shop -- {message}", &PADDED),
    ("12:00:00.123 [http-nio-8080-exec-1] {level} c.acme.Shop - {message}", &PADDED),
    ("2026-11-29 12:00:00,123 {level} [main] com.acme.Shop (Shop.java:12) - {message}", &PADDED),
    ("2026-11-29 12:00:00,123 main {level} {message}", &CAPITALS),
    ("[{level}] 2026-11-29 12:00:00.123 [main] Shop - {message}", &PADDED),
    ("[main] {level} com.acme.Shop - {message}", &CAPITALS),
    ("2026-11-29T12:00:00.123Z {level} 4711 --- [shop] [main] shop.Cart : {message}", &PADDED),
    // Ruby, PHP.
    ("{letter}, [2026-11-29T12:00:00.123456 #4711] {level} -- : {message}", &RUBY),
    ("{letter}, [2026-11-29T12:00:00.123456 #4711] {level} -- shop: {message}", &RUBY),
    ("[2026-11-29 12:00:00] local.{level}: {message}", &PYTHON),
    ("[2026-11-29T12:00:00.123456+00:00] app.{level}: {message} [] []", &PYTHON),
    // Python: logging, loguru, structlog, gunicorn, celery, Airflow.
    ("{level}:shop.cart:{message}", &PYTHON),
    ("2026-11-29 12:00:00,123 - shop.cart - {level} - {message}", &PYTHON),
    ("2026-11-29 12:00:00,123 {level} shop.cart: {message}", &PYTHON),
    ("2026-11-29 12:00:00,123 [{level}] shop.cart: {message}", &PYTHON),
    ("2026-11-29 12:00:00.123 | {level}    | __main__:load:12 - {message}", &PYTHON),
    ("2026-11-29 12:00:00 [{level}     ] {message}", &WORDS),
    ("[2026-11-29 12:00:00 +0000] [4711] [{level}] {message}", &PYTHON),
    ("[2026-11-29 12:00:00,123: {level}/MainProcess] {message}", &PYTHON),
    ("[2026-11-29T12:00:00.123+0000] {taskinstance.py:12} {level} - {message}", &PYTHON),
    // JavaScript: Nest, log4js, pino-pretty, winston.
    ("[Nest] 4711  - 11/29/2026, 12:00:00 PM {level} [Cart] {message}", &NEST),
    ("[2026-11-29T12:00:00.123] [{level}] default - {message}", &CAPITALS),
    ("[12:00:00.123] {level} (4711): {message}", &CAPITALS),
    ("2026-11-29T12:00:00.123Z {level}: {message}", &SMALL),
    // .NET: the console's two lines, Serilog, NLog.
    ("{level}: Shop.Cart[0]\n      {message}", &DOTNET),
    ("[12:00:00 {level}] {message}", &SHORT),
    ("2026-11-29 12:00:00.1234|{level}|Shop.Cart|{message}", &CAPITALS),
    // Go, Rust, Elixir.
    ("{level}1129 12:00:00.123456    4711 main.go:12] {message}", &LETTER),
    ("2026/11/29 12:00:00 {level} {message}", &CAPITALS),
    ("12:00PM {level} {message}", &SHORT),
    ("2026-11-29T12:00:00.123Z\t{level}\tapp/main.go:12\t{message}", &CAPITALS),
    ("2026-11-29T12:00:00.123456Z  {level} shop::cart: {message}", &CAPITALS),
    ("[2026-11-29T12:00:00Z {level}  shop::cart] {message}", &CAPITALS),
    ("12:00:00.123 [{level}] {message}", &WORDS),
    // Android, React Native, Tornado, Quarkus, Tomcat, what runs below a system's log.
    ("11-29 12:00:00.123  4711  4712 {level} Shop    : {message}", &LETTER),
    ("{level}/Shop    ( 4711): {message}", &LETTER),
    (" {level}  {message}", &REACT),
    ("[{level} 12:00:00.123 ServerApp] {message}", &LETTER),
    ("[12:00:00] [Server thread/{level}]: {message}", &CAPITALS),
    ("12:00:00,123 {level}  [org.acme.Cart] (executor-thread-1) {message}", &CAPITALS),
    ("29-Nov-2026 12:00:00.123 {level} [main] org.apache.catalina {message}", &CAPITALS),
    ("Nov 29 12:00:00 host app[4711]: {level}: {message}", &PYTHON),
    ("<14>1 2026-11-29T12:00:00Z host app 4711 - - {level} {message}", &CAPITALS),
    // Databases and servers.
    ("2026-11-29 12:00:00.123 UTC [4711] {level}:  {message}", &POSTGRES),
    ("2026/11/29 12:00:00 [{level}] 4711#0: *1 {message}", &SMALL),
    ("[Sun Nov 29 12:00:00.123 2026] [core:{level}] [pid 1] AH00094: {message}", &SMALL),
];

/// Messages that would be errors if no logger had written them.
const MESSAGES: [&str; 28] = [
    "Error: no price",
    "TypeError: cart is not a function",
    "failed to load the cart",
    "upload failed",
    "cannot reach the till: Connection refused",
    "java.lang.IllegalStateException: no price",
    "Exception in thread \"main\" java.lang.Error: boom",
    "Caught ValueError: no price, trying again",
    "error TS2322: Type 'a' is not assignable",
    "src/cart.ts:3:5 - error TS2322: Type 'a' is wrong.",
    "src/cart.c:3:5: error: use of undeclared identifier",
    "error: could not compile `shop` (lib) due to 1 previous error",
    "error[E0425]: cannot find value `x`",
    "npm ERR! code E404",
    "panic: assignment to entry in nil map",
    "fatal error: all goroutines are asleep",
    "Unhandled Rejection",
    "Uncaught RangeError: too far",
    "sh: 1: vite: not found",
    "invalid price",
    "the process exited with code 1",
    "Found 3 errors in 2 files",
    "compiled with 2 errors",
    "2 errors occurred",
    "Build failed",
    "✗ no price",
    "not ok 1 - adds up",
    "Traceback of the last call: no error",
];

/// What the engine finds in lines that come at once.
fn found(lines: &[String]) -> Vec<Finding> {
    let (mut engine, mut found, now) = (Engine::default(), Vec::new(), Instant::now());
    for line in lines.iter().flat_map(|line| line.split('\n')) {
        engine.on(line, Origin::default(), now, &mut found);
    }
    engine.close_due(None, &mut found);
    found.into_iter().map(|(_, finding)| finding).collect()
}

fn logged(form: &str, level: &str, message: &str) -> String {
    let (letter, level) = level.split_once('|').unwrap_or(("", level));
    form.replace("{letter}", letter).replace("{level}", level).replace("{message}", message)
}

/// Lines that the loggers write at levels below that of an error.
fn innocent() -> impl Strategy<Value = String> {
    (prop::sample::select(LOGGERS), any::<prop::sample::Index>(), prop::sample::select(&MESSAGES[..]))
        .prop_map(|((form, levels), level, message)| {
            let names: Vec<&str> = levels.low.iter().copied().chain([levels.warning]).collect();
            logged(form, names[level.index(names.len())], message)
        })
}

/// The stack of an error, as loggers write it below the message.
const STACKS: [&str; 4] = [
    "java.lang.IllegalStateException: no price\n\tat shop.Cart.load(Cart.java:12)\nCaused by: java.io.IOException: \
     closed\n\tat shop.Io.read(Io.java:3)\n\t... 2 more",
    "System.InvalidOperationException: no price\n   at Shop.Cart.Load() in /app/Cart.cs:line 3",
    "      TypeError: no price\n          at load (/app/cart.js:3:5)",
    "[stacktrace]\n#0 /app/cart.php(7): load()\n#1 {main}",
];

proptest! {
    #[test]
    fn what_a_logger_writes_below_the_level_of_errors_is_none(lines in prop::collection::vec(innocent(), 1..5)) {
        for finding in found(&lines) {
            let is_failure = matches!(&finding, Finding::Error(_) | Finding::Build(Change::Ends(Some(false)), _));
            prop_assert!(!is_failure, "{finding:?} in {lines:?}");
        }
    }

    #[test]
    fn nor_is_it_behind_the_name_of_a_script(
        lines in prop::collection::vec(innocent(), 1..5),
        prefix in prop::sample::select(&PREFIXES[..]),
    ) {
        for finding in found(&behind(prefix, &lines)) {
            let is_failure = matches!(&finding, Finding::Error(_) | Finding::Build(Change::Ends(Some(false)), _));
            prop_assert!(!is_failure, "{prefix} {finding:?} in {lines:?}");
        }
    }

    #[test]
    fn nor_is_the_stack_below_it(line in innocent(), stack in prop::sample::select(&STACKS[..]), next in innocent()) {
        let lines = [line, stack.to_owned(), next];
        let is_error = |finding: &Finding| matches!(finding, Finding::Error(_));
        prop_assert!(!found(&lines).iter().any(is_error), "{lines:?}");
    }
}

#[test]
fn what_a_logger_writes_at_the_level_of_errors_is_one() {
    let message = "the till is on fire";
    for (form, levels) in LOGGERS {
        let lines = [
            logged(form, levels.low[0], "Error: no price"),
            logged(form, levels.warning, "upload failed"),
            logged(form, levels.error, message),
            logged(form, levels.warning, "Error: no price"),
        ];
        let told: Vec<String> = found(&lines)
            .into_iter()
            .filter_map(|finding| if let Finding::Error(raw) = finding { Some(raw.message) } else { None })
            .collect();
        assert!(told.len() == 1 && told[0].contains(message), "{told:?} of {lines:?}");
    }
}

#[test]
fn a_sentence_with_a_level_is_no_line_of_a_logger() {
    for line in [
        "Error: INFO is no level of this logger",
        "TypeError: debug: x is not a function",
        "error: warning: x",
        "panic: info: x",
        "Could not read WARNING file: Error: no price",
        "failed to set DEBUG to INFO: Error: no price",
        "12:00:00 Could not read the DEBUG symbols: Error: no price",
        "I/O error: cannot read: Error: no price",
        "I think: Error: no price",
        "fatal: not a git repository (or any of the parent directories): .git",
        "src/debug.ts:3:5: error: warn: x",
    ] {
        let is_error = |finding: &Finding| matches!(finding, Finding::Error(_));
        assert!(found(&[line.to_owned()]).iter().any(is_error), "{line}");
    }
}

#[test]
fn urls_of_files_are_paths() {
    for (url, file) in [
        ("file:///home/u/my%20app/%5Bslug%5D/page.mjs", "/home/u/my app/[slug]/page.mjs"),
        ("file:///C:/Users/My%20Name/(shop)/page.mjs", "C:/Users/My Name/(shop)/page.mjs"),
        ("webpack-internal:///(rsc)/./app/(shop)/page.tsx", "./app/(shop)/page.tsx"),
        ("rsc://React/Server/file:///home/u/app/(shop)/page.tsx?3", "/home/u/app/(shop)/page.tsx"),
    ] {
        for frame in [format!("    at Page ({url}:3:5)"), format!("    at async {url}:3:5")] {
            if frame.contains("async") && !url.starts_with("file:") {
                continue;
            }
            assert_eq!(read(&frame), Some(Place::new(file, Some("3"), Some("5"))), "{frame}");
        }
    }
}

/// Lines of other languages that have no place, one for each such rule.
const LINES: &[&str] = &[
    "<internal:kernel>:85:in `require': cannot load such file -- prices (LoadError)",
    "ActionController::RoutingError (No route matches [GET] \"/favicon.ico\"):",
    "ActiveRecord::RecordNotFound (Couldn't find Cart with 'id'=7):",
    "NoMethodError (undefined method `cents' for nil:NilClass",
    "NoMethodError - undefined method `[]' for nil:NilClass:",
    "2026-11-29 12:00:00 +0000 Rack app (\"GET /\" - (127.0.0.1)): #<KeyError: key not found: :id>",
    "     Failure/Error:",
    "     Failure/Error: expect(1).to eq(2)",
    "       expected: 6",
    "     # Not yet implemented",
    "Skipped:",
    "     ZeroDivisionError:",
    "Failure:",
    "CartTest#test_explodes:",
    "** (exit) an exception was raised:",
    "** (CompileError) lib/a.ex: cannot compile module A (errors have been logged)",
    "    ** (RuntimeError) boom",
    "** (throw) :stop",
    "    error: undefined variable \"totl\"",
    "    (elixir 1.18.3) lib/enum.ex:3: Enum.map/2",
    "PHP Warning:  Undefined variable $x in /a.php on line 3",
    "PHP Fatal error:  Uncaught RuntimeException: cannot load",
    "Next RuntimeException: cannot load",
    "Stack trace:",
    "local.ERROR: boom",
    "   App\\Exceptions\\NoPrice ",
    "Exception in thread \"main\" java.lang.IllegalStateException: boom",
    "Exception in thread \"main\" java.lang.StackOverflowError",
    "java.lang.NullPointerException",
    "\tat java.base/java.util.ArrayList.get(ArrayList.java:427)",
    "\tat com.acme.Lib.call(Lib.java:3) ~[lib-1.0.jar:1.0]",
    "ERROR 4711 --- [nio-8080-exec-1] shop.Cart   : no price",
    "ERROR 4711 --- [main] o.s.b.d.LoggingFailureAnalysisReporter   : ",
    "Error starting ApplicationContext. To display the report",
    "APPLICATION FAILED TO START",
    "Description:",
    "e: something is wrong with the plugin",
    "* What went wrong:",
    "        \tError:      \tNot equal: ",
    "> Task :compileKotlin FAILED",
    "[ERROR]",
    "[ERROR] COMPILATION ERROR : ",
    "[ERROR] Tests run: 3, Failures: 1",
    "[ERROR] shop.CartTest.addsUp -- Time elapsed: 0.02 s <<< FAILURE!",
    "[ERROR]   CartTest.addsUp:12 expected: <6> but was: <5>",
    "[error]  found   : String(\"x\")",
    "[error] (Compile / compileIncremental) Compilation failed",
    "Unhandled exception. System.InvalidOperationException: boom",
    "error CS5001: Program does not contain a static 'Main' method",
    "fail: Microsoft.AspNetCore.Server.Kestrel[13]",
    "  Failed Shop.CartTests.AddsUp [12 ms]",
    "  Error Message:",
    "[xUnit.net 00:00:00.31]     Shop.CartTests.AddsUp [FAIL]",
    "thread 4711 panic: index out of bounds",
    "==4711==ERROR: AddressSanitizer: heap-buffer-overflow on address 0x1",
    "Segmentation fault (core dumped)",
    "terminate called after throwing an instance of 'std::logic_error'",
    "  what():  the cart is empty",
    "libc++abi: terminating due to uncaught exception of type std::logic_error: the cart is empty",
];

/// A rule that nothing reaches, since another one comes first or its lines have no mark, is of no use.
#[test]
fn each_rule_of_a_language_is_reached() {
    let reached =
        LINES.iter().map(|line| ALL.first(line).unwrap_or_else(|| panic!("{line}"))).collect::<Vec<_>>();
    let rules = all().enumerate().skip(FIRST.len()).take(languages::RULES.len());
    let left = rules
        .filter(|(index, (_, pattern))| !expand(pattern).contains("?P<file>") && !reached.contains(index));
    assert_eq!(left.map(|(_, (_, pattern))| *pattern).collect::<Vec<_>>(), [""; 0]);
}

#[test]
fn each_rule_that_reads_a_file_has_a_form() {
    let lines = FORMS.iter().map(|(form, paths, ending)| {
        let root = match paths {
            Rooted => "/app/",
            Dotted => "./",
            Any | Clear | Simple | Name => "",
        };
        let dot = if ending.starts_with('_') { "" } else { "." };
        written(form, &format!("{root}a{dot}{ending}"), 3, 5)
    });
    let fits: Vec<usize> = lines.filter_map(|line| ALL.first(&line)).collect();
    let left = all()
        .enumerate()
        .filter(|(index, (_, pattern))| expand(pattern).contains("?P<file>") && !fits.contains(index));
    assert_eq!(left.map(|(_, (_, pattern))| *pattern).collect::<Vec<_>>(), [""; 0]);
}
