//! The rules by which lines of tools are read, as data: what a line is, and which of its parts are message, kind and place.
//!
//! The first rule that fits decides, so that what is no error comes before what may be one. `{FILE}` and the other words in
//! braces stand for the patterns below. The groups `msg`, `kind`, `file`, `line` and `column` are read where a rule has them.

#[cfg(test)]
mod forms;
mod languages;
mod words;

use std::sync::{LazyLock, OnceLock};

use regex::{Captures, Regex, RegexSet};

use self::words::Words;

/// What a line is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Role {
    /// Part of a code frame, or what points into one.
    Code,
    /// Says that all is well, or is a log line of a low level: ends what came before.
    Quiet,
    /// Says nothing by itself, and ends nothing.
    Skip,
    /// Begins something that is no error, with all that belongs to it.
    Warning,
    /// Says that everything up to the next empty line is told for information.
    Quoted,
    /// The message, if one is awaited.
    Text,
    /// Begins a traceback of Python.
    Traceback,
    /// Joins two tracebacks of Python.
    Chain,
    /// A frame of Python: the last one counts.
    Call,
    /// A frame of a stack whose first one counts.
    Frame,
    /// The place of the error above it or below it.
    Place,
    /// A place that is worth less than a frame: that of the test, say.
    Nearby,
    /// The name of a file, with errors of it below.
    File,
    /// An error in a list below the name of its file, complete by itself.
    Row,
    /// An error that is complete by itself.
    Whole,
    /// An error of its own, whose message may be told better by a line that follows.
    Weak,
    /// An error.
    Error,
    /// An error that says more than any other line: it names its kind.
    Strong,
    /// An error that has ended a program: it is never what another line tells of.
    Uncaught,
    /// What has failed; the message follows.
    Title,
    /// A test that has failed; the message follows, and a better place.
    Test,
    /// A line of a message of several lines: the first one counts.
    Said,
    /// An error of Ruby; right behind the frames of one it is what led to it.
    Raised,
    /// What was thrown while the error before was handled, and is the one that counts.
    Next,
    /// The line of the source that has failed, and more such lines up to the next empty one.
    Source,
    /// Says that the test above was left out.
    Pending,
    /// An error, if a box is around it.
    Box,
    /// The end of a box, with its place.
    Boxed,
    /// A list of errors follows that the one above stands for.
    Members,
    /// An error of a log that says from where it was written, which is worth less than a frame.
    Logged,
    /// A line of a report of npm, of which the first one counts.
    Report,
    /// Says that something went wrong, and hardly what.
    Vague,
    /// Says only that there were errors: one itself if none is told.
    Summary,
    /// A build begins, and will tell all of its errors again.
    Begins,
    /// Everything begins anew: errors from before do not count any more.
    Restarts,
    /// A build is over.
    Ends,
    /// A build is over, without errors.
    Clean,
    /// A build is over, with errors.
    Failed,
    /// A build is over, with errors; says only that: one itself if none is told.
    Broken,
    /// A build is over, with errors, which follow.
    Announced,
    /// A command builds.
    Compiles,
    /// A command has built, without errors.
    Built,
    /// Tests have passed; those that have not are told now.
    Tested,
    /// What was built is started.
    Starts,
    /// A test runs; what is printed is its.
    Runs,
    /// A test has passed.
    Passes,
    /// A test has failed; the message follows, if it was not told.
    Fails,
    /// A test has failed, of which is told elsewhere.
    Failing,
    /// A package was tested, and all of its tests have passed.
    PartPasses,
    /// A package was tested, and not all of its tests have passed.
    PartFails,
    /// What a test has printed follows.
    Printed,
    /// An error, if a stack follows.
    Perhaps,
}

/// A path with an ending. It may have blanks where it is clear where it begins: at its root, or at a first part without any.
/// A path of a router may begin with a part in brackets: `(shop)/page.tsx`, `[slug]/page.tsx`.
const FILE: &str = r#"(?P<file>(?:[a-z][a-z-]+:/{1,3})?(?:[A-Za-z]:[\\/])?(?:{PART}[\\/])*(?:{PART}|[^\s:'"<>|,;=(\[{*])[^\s:'"<>|,;]*\.{ENDING}(?:\?[^\s:'"<>|,;)]*)?|(?:file://)?(?:/?[A-Za-z]:)?[.]{0,2}[\\/][^:'"<>|]*\.{ENDING}|(?:{PART}|[^\s:'"<>|,;=(\[{*\\/][^\s:'"<>|,;\\/]*)[\\/][^:'"<>|]*\.{ENDING})"#;
/// A part of a path in brackets.
const PART: &str = r"(?:\([^\s()\\/:]+\)[^\s()\\/:.]*|\[{1,2}[^\s\[\]\\/:]+\]{1,2})";
const ENDING: &str = "[A-Za-z][A-Za-z0-9]{0,9}";
/// A path of which both ends are known, whatever is in it. Its brackets are pairs.
const PATH: &str = r#"(?P<file>(?:(?:rsc|about)://React/Server/)?(?:[a-z][a-z-]*:/{1,3})?(?:[A-Za-z]:)?(?:[^\s:"<>|*?()]|\([^():]*\))(?:[^:"<>|*?()]|\([^():]*\))*\.{ENDING}(?:\?[^\s:"<>|)]*)?)"#;
/// A path of which the end is known, and that begins at a root.
const ROOTED: &str =
    r#"(?P<file>(?:file://)?(?:/?[A-Za-z]:)?[.]{0,2}[\\/][^:"<>|*?]*\.{ENDING}(?:\?[^\s:"<>|)]*)?)"#;
const LINE: &str = "(?P<line>[0-9]+)";
const COLUMN: &str = "(?P<column>[0-9]+)";
/// A class of errors.
const KIND: &str = r"(?P<kind>(?:[A-Za-z_][A-Za-z0-9_]*\.)*[A-Z][A-Za-z0-9_]*(?:Error|Exception|Exit|Interrupt|Fault|Rejection|DoesNotExist|ImproperlyConfigured)|DOMException|Error|Exception)";

/// What stands before a line of the console of the browser.
const PAGE: &str =
    r"(?:(?:\[(?:ERROR|WARN|INFO|DEBUG)\] )?\[(?:vite\](?: \(client\))?|browser\])|Vite| ?(?:ERROR|WARN) )";

/// What comes first. What belongs together stands together; the order decides.
#[rustfmt::skip]
const FIRST: &[(Role, &str)] = &[
    (Role::Said, r"^\s*[├╰]─▶\s+×\s+(?:x )?(?P<msg>.+)"),
    (Role::Place, r"^[\s│]*(?:,-\[|╭─+\[) ?{PATH}:{LINE}(?::{COLUMN})?\s?\]"),
    (Role::Place, r"^\s*(?:,-\[|╭─+\[) ?{LINE}:{COLUMN} ?\]"),

    // The console of the browser, as Vite from 8 on (also within Astro), the plugins of the npm package, Rsbuild and Next show
    // it. Next does not say of a line whether it is a warning; only what names an error is taken for one.
    (Role::Title, r"^{PAGE} \[console\.error\] Error rendering story '[^']*':$"),
    (Role::Strong, r"^{PAGE} \[(?:console\.error|Unhandled (?:error|rejection))\] (?:Uncaught )?{KIND}: (?P<msg>.+)"),
    (Role::Error, r"^{PAGE} \[(?:console\.error|Unhandled (?:error|rejection))\] (?P<msg>.+)"),
    (Role::Warning, r"^{PAGE} \[console\.(?:warn|assert)\]"),
    (Role::Quiet, r"^{PAGE} \[console\.[a-z]+\]"),
    (Role::Whole, r"^error\s+\[browser\] (?:Uncaught )?(?:\(in promise\) )?{KIND}: (?P<msg>.*?)(?: at \S+)? \({FILE}:{LINE}:{COLUMN}\)$"),
    (Role::Error, r"^error\s+\[browser\] (?:Uncaught )?(?:\(in promise\) )?(?P<msg>.+)"),
    (Role::Strong, r"^\[browser\] (?:Uncaught |⨯ unhandledRejection: +)*{KIND}: (?P<msg>.+)"),
    (Role::Error, r"^\[browser\] (?:⨯ unhandledRejection:|Uncaught) +(?P<msg>.+)"),
    (Role::Title, r"^\[browser\] {FILE}(?::{LINE}:{COLUMN})?$"),
    (Role::Error, r"^\[browser\] (?P<msg>.{0,200}\s(?:[A-Z][A-Za-z]*)?Error: .+)"),
    (Role::Warning, r"^\[browser\] "),

    // What Storybook says when a hub asks to hear of changes, which it offers and cannot do.
    (Role::Warning, r#"^An unexpected error occurred while executing "subscriptions/listen" JSON-RPC method"#),

    // A browser has gone while it was being answered.
    (Role::Warning, r"^<e> \[webpack-dev-(?:middleware|server)\] Stream error: .*ERR_STREAM_PREMATURE_CLOSE"),

    // What PHPUnit draws a bar along.
    (Role::Said, r"^   │ (?P<msg>Failed asserting that .+)"),
    (Role::Said, r"^   │ (?P<kind>[A-Za-z_\\]*(?:Exception|Error)): (?P<msg>.+)"),
    (Role::Place, r"^   │ {PATH}:{LINE}$"),

    // Frames of code.
    (Role::Code, r"^(?:\[error\] |[A-Z] )?\s*(?:[>→×*]\s*)?[0-9]+ {0,2}[|│┃┆]"),
    (Role::Code, r"^(?:\[error\] )?\s*[>→]?\s*[|│┃┆·╎╵╷├╰╯━─┬]"),
    (Role::Code, r"^\s*[\^~═‾]+(?:HERE)?\s*$"),
    (Role::Code, r"^\s+: [\s^|`,.'-]*[\^|`].*$"),
    (Role::Code, r"^\s+`-{2,}$"),
    (Role::Code, r"^>\s{2,}\S"),
    (Role::Code, r"^>?\s*[+-]{1} (?:expected|actual|Expected|Received)(?-u:\b)"),

    // Builds. They come first among words, for many of them have the word `error`.
    (Role::Clean, r"(?-u:\b)Found 0 errors?(?-u:\b)"),
    (Role::Failed, r"(?-u:\b)Found [0-9]+ errors?(?-u:\b)"),
    (Role::Clean, r"^svelte-check found (?:0|no) errors(?-u:\b)"),
    (Role::Broken, r"^svelte-check found [1-9][0-9]* errors?(?-u:\b)"),
    (Role::Begins, r"Starting (?:incremental )?compilation"),
    (Role::Begins, r"^❯ Changes detected\. Rebuilding|^CLI (?:Building entry|Change detected): |^Compiling\.\.\.$|^INFO 📦 starting build$|^Performing hot (?:reload|restart)\.\.\."),
    (Role::Clean, r"^Application bundle generation complete\.|^\s*(?:DONE +|✔ )?Compiled successfully|^(?:\s*WARNING +)?Compiled with (?:[0-9]+ )?warnings?(?-u:\b)|^\[success\] Total time: |^INFO ✅ success$"),
    (Role::Clean, r"^Reloaded [0-9]+(?: of [0-9]+)? libraries in |^Restarted application in [0-9]"),
    (Role::Failed, r"^Application bundle generation failed\.|^\[error\] Total time: |^Try again after fixing the above error\(s\)\.$"),
    (Role::Broken, r"^ERROR ❌ error"),
    (Role::Announced, r"^(?:✖ )?Failed to compile\.?$|^🚨 Build failed|^\s*(?:ERROR +)?Failed to compile with [1-9][0-9]* errors?(?-u:\b)"),
    (Role::Begins, r"^\[watch\] build started|^bundles .+ → |^\s*RERUN  |^\[{1,2}Running(?: '|: )|^Rebuilding(?-u:\b)"),
    // A program that is older than the source is started, too, if air is told to.
    (Role::Begins, r"^building\.\.\.$"),
    (Role::Broken, r"^failed to build, error: "),
    (Role::Starts, r"^running\.\.\.$"),
    (Role::Ends, r"^\[watch\] build finished"),
    (Role::Clean, r"^created .+ in [0-9.]+ ?m?s|^✨ Built in |^\s*✓ built in [0-9]"),
    // Next, Astro, Storybook and Nuxt say so when an edit has come to the pages that were asked for, or are open.
    (Role::Restarts, r"^ ?✓ Compiled in |^\[watch\] \S+\.[a-z]{2,6}$|^Vite (?:hmr update|page reload) "),
    (Role::Restarts, r"^ℹ hmr update /|^✔ Vite (?:server|client) hmr [0-9]+ files? in |^\[nitro\] ✔ Nuxt Nitro server built in "),
    (Role::Clean, r"(?-u:\b)compiled successfully(?-u:\b)|(?-u:\b)compiled with (?:[0-9]+ warnings?|0 errors)(?-u:\b)|^\s*✓ Compiled successfully"),
    (Role::Failed, r"(?-u:\b)compiled with [1-9][0-9]* errors?(?-u:\b)"),
    (Role::Begins, r"^start\s+build(?:ing)?(?-u:\b)"),
    (Role::Clean, r"^ready\s+built in [0-9]"),
    (Role::Failed, r"^error\s+build failed"),
    (Role::Clean, r"^Build complete in [0-9]|⚡️? Build success in|^✔ Build complete"),
    (Role::Clean, r"(?:ready|Ready) in [0-9.]+ ?m?s(?-u:\b)|Application startup complete"),
    (Role::Failed, r"^[0-9]+ (?:examples?|specs?|doctests?|tests?|property|properties|runs?), .*(?-u:\b)[1-9][0-9]* (?:failures?|errors?)(?-u:\b)"),
    (Role::Clean, r"^[0-9]+ (?:examples?|specs?|doctests?|tests?|property|properties|runs?), (?:[0-9]+ [a-z]+, )*0 failures(?:,|$)"),
    (Role::Failed, r"^Tests: [0-9]+, Assertions: [0-9]+, .*(?:Errors|Failures): [1-9]|^[0-9]+ passed; [0-9]+ skipped; [1-9][0-9]* failed\.$"),
    (Role::Clean, r"^OK \([0-9]+ tests?, [0-9]+ assertions?\)|^OK, but (?:there|some)|^All [0-9]+ tests passed\.$"),
    (Role::Clean, r"^BUILD SUCCESSFUL in |^\[INFO\] BUILD SUCCESS$|^INFO .* : Started \S+ in [0-9.]+ seconds"),
    (Role::Failed, r"^BUILD FAILED(?: in |$)|^\[INFO\] BUILD FAILURE$"),
    (Role::Clean, r"^Build succeeded(?:\.| in| with [0-9]+ warning)|^Build complete! |^Build of product '.*' complete! |^\*\* BUILD SUCCEEDED \*\*$"),
    (Role::Begins, r"^Building for (?:debugging|production)\.\.\.$"),
    (Role::Failed, r"^error: (?:fatalError|emit-module command failed.*)$"),
    (Role::Begins, r"^dotnet watch \S+ (?:\[[^\]]*\] )?Building(?-u:\b)"),
    (Role::Clean, r"^dotnet watch \S+ (?:\[[^\]]*\] )?Build succeeded(?-u:\b)"),
    (Role::Failed, r"^dotnet watch \S+ (?:\[[^\]]*\] )?(?:Build failed(?-u:\b)|Exited with error code )"),
    (Role::PartPasses, r"^Passed! +- Failed: +0, .* - (?P<msg>\S+\.dll.*)$"),
    (Role::PartFails, r"^Failed! +- Failed: +[0-9]+, .* - (?P<msg>\S+\.dll.*)$"),
    (Role::Failed, r"^Build FAILED\.|^Build failed with [0-9]+ error\(s\)|^\*\* BUILD FAILED \*\*$"),
    (Role::Restarts, r"^dotnet watch .*(?:[Hh]ot reload .*succeeded|changes applied|Started$|Restart (?:requested|in progress)\.$)|^watch : Started$|^Compiling [0-9]+ files? \(\.(?:ex|erl)\)|^Change detected, executing build"),
    (Role::Restarts, r"^\[nodemon\] (?:restarting|starting)"),
    (Role::Clean, r"^\[nodemon\] clean exit|^Completed running '|^\[{1,2}(?i:finished running\. exit status): 0|^\[{1,2}Command was successful"),
    (Role::Failed, r"^\[nodemon\] app crashed|^Failed running '|^\[{1,2}(?i:finished running\. exit status): [1-9]|^\[{1,2}Command exited with [1-9]"),
    (Role::Restarts, r"^Restarting '|^\[tsx\] .*[Rr](?:estart|erun)|(?-u:\b)restarting due to changes(?-u:\b)"),
    (Role::Restarts, r"^\[vite\](?: \([a-z]+\))? (?:hmr update|page reload|\S+ changed, restarting)|\[vite\] (?:hmr update|page reload|program reload)"),
    (Role::Restarts, r"^\S* ?\* Restarting with |detected changes in .*[Rr]eloading|changed, reloading\.$|^Detected change in .*reloading"),
    (Role::Clean, r"^\s*Test Files\s+[0-9]+ passed|^Tests:\s+(?:[0-9]+ (?:skipped|todo), )*[0-9]+ passed|^=+ (?:[0-9]+ (?:passed|skipped|deselected|warnings?),? ?)+in .*=+$"),
    (Role::Failed, r"^\s*Test Files\s+[0-9]+ failed|^Tests:\s+[0-9]+ failed"),
    (Role::Clean, r"^[0-9]+ passed(?:, [0-9]+ [a-z]+)* in [0-9.]+s(?: \(.*\))?$"),
    (Role::Broken, r"^=+ .*(?-u:\b)[1-9][0-9]* (?:failed|errors?)(?-u:\b).* =+$|^(?:[0-9]+ [a-z]+, )*[1-9][0-9]* (?:failed|errors?)(?:, [0-9]+ [a-z]+)* in [0-9.]+s(?: \(.*\))?$"),
    (Role::Broken, r"^[1-9][0-9]* errors?, [0-9]+ warnings?, [0-9]+ info|^error: (?:could not compile `|test failed, to rerun pass |process didn't exit successfully: )"),
    (Role::Ends, r"^Ran [0-9]+ tests? (?:in [0-9.]+s$|across )|^\s+[0-9]+ passed \([0-9.]+ ?m?[smh]\)$|^Checked [0-9]+ files? in [0-9.]+ ?m?s\."),
    (Role::Clean, r"^DONE [0-9]+ tests?(?:, [0-9]+ skipped)? in [0-9.]+s$"),
    (Role::Broken, r"^DONE [0-9]+ tests?, .*[1-9][0-9]* (?:failures?|errors?) in [0-9.]+s$"),
    (Role::Clean, r"^(?:# |ℹ )fail +0$|^# ok$|^ok \| [0-9]+ passed .*\| 0 failed|^\s+[0-9]+ tests? passed$"),
    (Role::Broken, r"^(?:# |ℹ )fail +[1-9]|^FAILED \| [0-9]+ passed|^\s+[1-9][0-9]* (?:tests? )?failed$"),
    (Role::Tested, r"^\s+[0-9]+ passing \([0-9.]+ ?[a-z]+\)$"),
    (Role::Broken, r"^\s+[1-9][0-9]* failing$"),
    (Role::Clean, r"^Success: no issues found|^All checks passed!|^0 errors, [0-9]+ warnings"),
    (Role::Compiles, r"^\s+(?:Compiling|Checking) \S+ v[0-9]"),
    (Role::Built, r"^\s+Finished `?\S+`? (?:\[.*\] )?(?:profile|target)"),

    // Tests that tell their verdict when they have printed already.
    (Role::Runs, r"^\s*=== (?:RUN|CONT|NAME) +(?P<msg>\S+)$|^\[INFO\] Running (?P<msg2>(?:[a-z_]\w*\.)*[A-Z][\w$]*)$|^running [0-9]+ tests?$"),
    (Role::Passes, r"^\s*--- (?:PASS|SKIP): (?P<msg>\S+) |^test (?P<msg2>\S+)(?: - should panic)? \.\.\. (?:ok|ignored.*)$|^test result: ok\. "),
    // Maven tells below what has failed.
    (Role::Passes, r"^\[(?:INFO|WARNING|ERROR)\] Tests run: .*--? in (?P<msg>[\w.$]+)$"),
    (Role::Fails, r"^\s*--- FAIL: (?P<msg>\S+) "),
    (Role::Failing, r"^test (?P<msg>\S+)(?: - should panic)? \.\.\. FAILED$"),
    (Role::PartPasses, r"^ok  \t(?P<msg>\S+)\t"),
    (Role::PartFails, r"^FAIL\t(?P<msg>\S+)(?:\t| \[)"),
    (Role::Printed, r"^-{3,} (?:live log|Captured) .+ -{3,}$|^\S.* STANDARD_(?:OUT|ERR)$"),
    (Role::Warning, r"^\s*not ok(?-u:\b).*# (?i:TODO|SKIP)(?-u:\b)|^\s*✖ .+ \([0-9.]+ms\) # \S"),
    (Role::Quiet, r"^\s*﹣ "),
    (Role::Quiet, r"\.\.\. (?:skipped|expected failure)(?-u:\b)|^(?:SKIPPED|XFAIL) \S|^\S+::\S+ (?:SKIPPED|XFAIL|XPASS)(?-u:\b)|^\s+\S.* \(PENDING: .*\)$"),

    (Role::Quiet, r"^\s*(?:ok - |○ |\((?:pass|skip|todo)\) |\[ *(?:PASS|OK|RUN|SKIP|PASSED|SKIPPED) *\])|^\s+(?:Passed|Skipped) \S.*\[[0-9<].*s\]$"),
    // What the package debug writes.
    (Role::Quiet, r"^\s*[\w-]+(?::[\w-]+)* .* \+[0-9]+(?:ms|s|m|h)$"),

    // What is not there, and need not be.
    (Role::Quiet, r#"(?-u:\b)(?i:errors?|exceptions?|failures?|failed|crashed)\s*[:=] ?(?i:none|null|nil|undefined|false|no|0|\[\]|\{\}|""|''|n/a)[.,;]?$"#),
    (Role::Quiet, r"^-- (?:Performing Test|Looking for|Check(?:ing)?|Detecting|Could NOT find)(?-u:\b)|^checking (?:for|whether|if|how|that) .*\.\.\."),
    (Role::Quiet, r"(?-u:\b)(?:0|[Nn]o|[Nn]one|[Nn]othing|not|never)(?: (?:of|them|has|have|tests?|specs?|suites?|checks?|jobs?|tasks?|files?|[0-9]+)){0,2} (?i:failed|crashed)[.!:]?$"),
    // An entry of a list of handlers.
    (Role::Perhaps, r"^(?:\s*(?P<kind>(?:[A-Z][A-Za-z]*)?(?:Error|Exception)): (?P<msg>(?:on|handle)[A-Z]\w*)|\s+(?P<kind2>(?:[A-Z][A-Za-z]*)?(?:Error|Exception)): (?P<msg2>[a-z]+[A-Z]\w*))$"),

    // The server of Go; npm has a level of this name.
    (Role::Strong, r"^http: panic serving \S+: +(?P<msg>.+)"),

    // What a person reads as good news, and logs of low levels.
    (Role::Quiet, r"^[^A-Z]*(?-u:\b)0 (?:errors?|failures?|problems?|failed)(?-u:\b)"),
    (Role::Quiet, r"^[^A-Za-z]{0,40}(?i:error)\W{0,3} (?i:no|0) (?:errors?|failures?|problems?|issues?)[.!]?$"),
    (Role::Quiet, r"^(?:No|0) errors? occurred|(?-u:\b)exited with (?:code|status|exit code) 0[.!]?$"),
    // Consola writes so where it has no colours.
    (Role::Quiet, r"^i (?:[A-Z][A-Za-z]*)?(?:Error|Exception): "),
    // The bar that PHPUnit draws.
    (Role::Skip, r"^[.EFWIRSNDP]+ +[0-9]+ / [0-9]+ \( *[0-9]+%\)$"),
    (Role::Strong, r"^ℹ {KIND}: {FILE} — (?P<msg>.+)"),
    (Role::Strong, r#"^ℹ {KIND}: (?P<msg>Cannot find (?:module|package) .+ imported from ['"]{FILE}['"])$"#),
    (Role::Perhaps, r"^ℹ {KIND}: (?P<msg>.+)"),
    (Role::Quiet, r"^\s*(?:✓|✔|√|PASS(?-u:\b)|ok [0-9]|--- PASS|=== RUN|=== PAUSE|=== CONT|PASSED(?-u:\b)|\[  PASSED|⎯+\[)"),
    (Role::Quiet, r"^[0-9]+/[0-9]+ \S+\.test\..*\.\.\.OK$"),
    (Role::Error, r"^[0-9]+/[0-9]+ \S+\.test\..*?\.\.\.FAIL \((?P<msg>.+)\)$"),
    (Role::Error, r"^FAIL \((?P<msg>[A-Z][A-Za-z]+)\)$"),
    (Role::Quiet, r"^\S+(?:::| )\S.* (?:PASSED|SKIPPED|ok)$|^test .* \.\.\. (?:ok|ignored)$|\.\.\. ok(?: \([0-9.]+[mµ]?s\))?$"),
    (Role::Quiet, r"^[^A-Za-z]{0,40}(?:INFO|DEBUG|TRACE|VERBOSE|NOTICE|Info|Debug|info|debug|trace|verbose|silly|http|notice)\s*(?:[\])|:]|  |\s\()"),
    (Role::Quiet, r"^(?:INFO|DEBUG|TRACE|NOTICE)[ \t]|^\[(?:info|debug|log)\]|^\[[45][0-9]{2}\] [A-Z]+ /|^npm (?:notice|info|http|verb)|^(?:info|debug) +[A-Z a-z]|^ℹ |^✔ |^◐ |^ℹ"),
    (Role::Quiet, r"^Node\.js v[0-9]|^Bun v[0-9]|^Watching for |^Waiting for |^\s*(?:tests?|pass|suites|cancelled|skipped|todo|duration_ms)\s+[0-9]"),
    (Role::Quiet, r"^(?:# |ℹ )(?:tests|suites|pass|fail|cancelled|skipped|todo|duration_ms|Subtest:)"),
    (Role::Quiet, r#"^(?:\S+ - - \[[^\]]*\] )?"?(?:GET|POST|PUT|PATCH|DELETE|HEAD|OPTIONS) /|^\[[^\]]+\] "(?:GET|POST|HEAD|PUT|DELETE)|" [0-9]{3} [0-9-]+$|^(?:INFO:\s+)?[0-9.]+:[0-9]+ - ""#),

    (Role::Quiet, r"^compilation terminated"),

    // Warnings.
    (Role::Title, r"^(?:\(!\) )?Failed to run dependency scan"),
    (Role::Warning, r"^.{0,3}(?:\S+[:(][0-9]+[:,]?[0-9]*\)?:?) (?:- )?(?:warning|note|info|hint|suggestion|warn)(?-u:\b)"),
    (Role::Skip, r"^\s+[0-9]+:[0-9]+\s+(?:warning|⚠|info)\s"),
    (Role::Warning, r"^[^A-Za-z]{0,40}(?:WARN|WARNING|Warning|warn|warning|Warn|DeprecationWarning)\s*(?:[\]):|]|  |$|\s\(|\s?\[|\s[A-Za-z(\[<'])"),
    (Role::Warning, r"^npm warn|^npm WARN|^WARN +[0-9]+ --- |^WARN\t|^warning[: \[]|^\[warn\]|^\(!\) |^▲ \[WARNING\]|^\s*⚠|^  ! [a-z@-]+\([A-Za-z0-9@/-]+\): |^\(node:[0-9]+\) |^WARNING in |^ WARN |^\s*▲ "),
    // What a test has printed, and need not fail for.
    (Role::Quoted, r"^std(?:out|err) \| "),
    (Role::Warning, r"^\s+console\.(?:log|info|debug|warn|error)$"),
    (Role::Skip, r"^(?:Ran|Finished|Checked) |^(?:Error|error): *$|^Original error stack trace|^Completed [0-9]{3} |^Compilation failed: [0-9]+ error\(s\)|^Failed examples:$|^rspec \./|^ParseError: bad input|^\(Use `|^\s+(?:Message|Stack):$|^[0-9]+\. [^(]|\([0-9]+ / [0-9]+\)$"),
    (Role::Nearby, r"^[0-9]+\. \({FILE}\)$"),
    (Role::Warning, r"^\S.*:[0-9]+: (?:[A-Z][A-Za-z]*)?Warning: "),
    (Role::Warning, r"^\S+: line [0-9]+, col [0-9]+, Warning - |^\S+:[0-9]+:[0-9]+: .* \[Warning/|^\S+:[0-9]+:[0-9]+: [CRWI][0-9]{4}: "),

];

/// What follows the rules of languages.
#[rustfmt::skip]
const REST: &[(Role, &str)] = &[
    // Python.
    (Role::Traceback, r"^\s*(?:[+|] )*(?:Exception Group )?Traceback \(most recent call last\):"),
    (Role::Chain, r"^(?:During handling of the above exception|The above exception was the direct cause)"),
    (Role::Call, r#"^\s*(?:\| )*(?:> )?File "(?P<file>[^"]+)", line {LINE}"#),

    (Role::Members, r"^\s*\[errors\]: \[$"),
    (Role::Error, r"^\[(?P<kind>AggregateError)(?: \[(?P<code>[A-Z_0-9]+)\])?: (?P<msg>.*)\] \{$"),

    (Role::Title, r"^\s*[✗x] Build failed in "),

    // Names of tests with their time: told at length elsewhere.
    (Role::Skip, r"^\s*(?:[×✗✖✘x✕]|❯|↓|-)\s+.*\(?[0-9.]+ ?m?s\)?$|^\s+→ |^\s*✕ .*|^✖ failing tests|^\s+✘ \[fail\]: .* Error thrown in test$|^💡|^@parcel/resolver-default"),
    (Role::Error, r"^\s+✘ \[fail\]: (?P<msg>.+)"),
    (Role::Skip, r"^\s*# Subtest|^\s+\.\.\.$|^\s+---$|^\s+(?:duration_ms|failureType|type|code|name|expected|actual|operator):"),
    (Role::Skip, r#"^\s+error: '[0-9]+ subtests? failed'"#),

    // Errors with their place in the same line.
    // A build that is watched tells its errors once more.
    (Role::Whole, r"^\s*(?:dotnet watch \S+ )?{PATH}\({LINE},{COLUMN}(?:,[0-9,]+)?\) ?: (?:fatal )?error (?P<kind>[A-Z]+[0-9]+): (?P<msg>.*?)(?: \[[^\]]*proj(?:::[^\]]*)?\])?$"),
    (Role::Whole, r"^\s*{PATH}:{LINE}:{COLUMN} - error (?P<kind>TS[0-9]+|[a-z]+\([0-9]+\)): (?P<msg>.*)"),
    (Role::Whole, r"^\s*{PATH}:{LINE}:{COLUMN} - error: (?P<msg>.*?)(?: \((?P<kind>report[A-Za-z]+)\))?$"),
    (Role::Whole, r"^\s*(?:✖ |× )?{PATH}:{LINE}(?::{COLUMN})?: (?:fatal )?(?:error|ERROR|Error): (?P<msg>.*?)(?:  \[(?P<kind>[a-z-]+)\])?$"),
    (Role::Error, r"^(?:\[!\] )?(?:\(plugin [^)]*\) )?(?:{KIND}: )?{FILE} \({LINE}:{COLUMN}\): (?P<msg>.*)"),
    (Role::Error, r"^\[error\] {FILE}: {KIND}: (?:CssSyntaxError: )?(?P<msg>.*?) ?\({LINE}:{COLUMN}\)$"),
    (Role::Error, r"^\s*(?:{KIND}: )?{FILE}: (?:(?:Css)?SyntaxError: )*(?P<msg>.*?) ?\({LINE}:{COLUMN}\)$"),
    (Role::Whole, r"^(?:vet: )?{FILE}:{LINE}:{COLUMN}: (?P<kind>[A-Z]{1,4}[0-9]{3,4}):? (?:\[\*\] )?(?P<msg>.*)"),
    (Role::Whole, r"^{FILE}:{LINE}:{COLUMN}: (?P<msg>.*) \[Error(?:/(?P<kind>[^\]]+))?\]$"),
    (Role::Whole, r"^{FILE}: line {LINE}, col {COLUMN}, Error - (?P<msg>.*?)(?: \((?P<kind>[^()]+)\))?$"),
    (Role::Error, r"^{FILE}:\(\.text\S*\): (?P<msg>undefined reference.*)"),
    (Role::Error, r"^{KIND}: (?P<msg>.*?) in {FILE} on line {LINE}, column {COLUMN}:?$"),
    (Role::Error, r"^error: (?P<msg>cannot (?:parse|format)(?-u:\b).*?): ?{FILE}:{LINE}:{COLUMN}"),
    (Role::Error, r#"^.*Error when evaluating SSR module \S+: (?P<msg>Cannot find (?:module|package) .+ imported from ['"]{FILE}['"])$"#),
    (Role::Error, r"^.*Error when evaluating SSR module \S+: (?:{FILE}:{LINE}:{COLUMN} )?(?P<msg>.+)"),
    (Role::Error, r"^\s*ERROR\s+{FILE} — (?P<msg>.+)"),
    (Role::Error, r"^(?:{KIND}: )?(?:[a-z-]+: )?{FILE}:{LINE}:{COLUMN}: (?P<msg>[A-Z].*)"),
    (Role::Error, r"^\S+: \((?P<kind>[a-z_]+\.E[0-9]+)\) (?P<msg>.+)"),
    (Role::Whole, r"^{FILE}:{LINE}:{COLUMN}: (?P<kind>invalid-syntax|[EF][0-9]{4}): (?P<msg>.*)"),
    // Without a column it is a line of a log.
    (Role::Whole, r"^(?:vet: )?(?P<file>(?:[A-Za-z]:)?[^\s:][^:]*\.go):{LINE}:{COLUMN}: (?P<msg>.*)"),
    (Role::Whole, r"^\s{4,}(?P<file>(?:[A-Za-z]:)?[^\s:][^:]*_test\.go):{LINE}: (?P<msg>\S.*)"),
    (Role::Error, r"^\s{4,}(?P<file>(?:[A-Za-z]:)?[^\s:][^:]*_test\.go):{LINE}: (?P<msg>)"),
    (Role::Row, r"^\s+{LINE}:{COLUMN}\s+(?:error|✖|×|✗)\s+(?P<msg>.+?)(?:\s{2,}(?P<kind>[@a-zA-Z][A-Za-z0-9_@/-]*))?\s*$"),
    (Role::Title, r"^(?:\[[A-Za-z0-9_]+\] )?ERROR in {FILE}\({LINE},{COLUMN}\)"),
    (Role::Title, r"^ERROR in {FILE}(?: {LINE}:{COLUMN}(?:-[0-9:]+)?)?$"),
    // Next 13 and before.
    (Role::Title, r"^(?:error - |- error ){FILE}(?::{LINE}:{COLUMN})?$"),
    (Role::Title, r"^(?:error - |- error ){FILE} \({LINE}:{COLUMN}\) @ .*$"),
    (Role::Place, r"^{FILE} {LINE}:{COLUMN}(?:-[0-9:]+)$"),
    (Role::Title, r"^\[(?P<kind>plugin [^\]]+)\] {FILE}(?::{LINE}:{COLUMN}|:undefined:NaN)?$"),
    (Role::Title, r"^{FILE}:{LINE}:{COLUMN} (?P<kind>[a-z]+(?:/[A-Za-z]+)*)(?:\s+FIXABLE)?\s+━━+"),
    (Role::Title, r"^{FILE} (?P<kind>[a-z]+(?:/[A-Za-z]+)*)(?:\s+FIXABLE)?\s+━━+"),
    (Role::Title, r"^\s*(?:⨯|✗|×|✖|❌) {FILE}(?::{LINE}(?::{COLUMN})?)?$"),
    (Role::Title, r"^\s*⨯ {FILE} \({LINE}:{COLUMN}\) @ .*$"),
    (Role::Title, r"^File: {PATH}:{LINE}:{COLUMN}(?:-[0-9:]+)?$"),
    (Role::Error, r"^ ERROR\((?P<kind>[A-Za-z-]+)\)\s+(?P<msg>.+)"),
    (Role::Place, r"^ FILE  {PATH}:{LINE}(?::{COLUMN})?$"),
    (Role::Title, r"^thread '(?P<test>[^']*)' (?:\([0-9]+\) )?panicked at {PATH}:{LINE}:{COLUMN}:$"),
    (Role::Strong, r"^thread '(?P<test>[^']*)' panicked at '(?P<msg>.*)', {PATH}:{LINE}:{COLUMN}$"),

    // Places.
    // In what a dev server serves, lines are not those of the source.
    (Role::Frame, r"^\s*at (?:.*[ (])?\(?https?://(?:localhost|[0-9.]+|\[[0-9a-f:]+\])(?::[0-9]+)?/(?:_nuxt/|@fs/)?{FILE}:[0-9]+:[0-9]+\)?$"),
    (Role::Frame, r"^\s+> (?:[^\\/:]* )?(?:\.\./)+_nuxt/{FILE}:[0-9]+:[0-9]+$"),
    // Nor those of a module that webpack has made a text to be evaluated.
    (Role::Frame, r"^\s*at (?:.*[ (])?\(?webpack://[^/\s()]*/(?:\./)?{FILE}\?:[0-9]+:[0-9]+\)?$"),
    // A path in brackets may have any others, and one that begins at a root blanks.
    (Role::Frame, r"^\s*(?:⁃ )?at (?:[^(]* )?\({PATH}:{LINE}:{COLUMN}\)(?: \{|,)?$"),
    (Role::Frame, r"^\s*(?:⁃ )?at (?:async )?{ROOTED}:{LINE}:{COLUMN}(?: \{|,)?$"),
    (Role::Frame, r"^\s*(?:⁃ )?at (?:.*[ (])?\(?{FILE}:{LINE}:{COLUMN}\)?"),
    (Role::Frame, r"^\s*(?:❯|›|➤) (?:[^\\/:]* )?{FILE}:{LINE}:{COLUMN}$"),
    (Role::Frame, r"^\s*(?:❯|›|➤) (?:.* )?{FILE}:{LINE}:{COLUMN}$"),
    (Role::Frame, r"^\s+\S[^(]* \({PATH}:{LINE}:{COLUMN}\)$"),
    (Role::Frame, r"^\s+\S.* \({FILE}:{LINE}:{COLUMN}\)$"),
    (Role::Frame, r"^\s*at (?:async )?\S.*$|^\s+at .*"),
    (Role::Frame, r"^\s+(?P<file>(?:[A-Za-z]:)?/[^:]*\.(?:go|s)):{LINE}(?: \+0x[0-9a-f]+)?$"),
    // Those of Astro are seen from where Vite keeps what it makes.
    (Role::Frame, r"^\s+> (?:[^\\/:]* )?(?:\.\./\.\./\.\./)?{FILE}:{LINE}:{COLUMN}$"),
    (Role::Frame, r"^\s+{FILE}:{LINE}:{COLUMN}$"),
    (Role::Place, r"^\s*(?:-->|,-\[|╭─+\[|┌─+\[?|╭─▶) ?{PATH}:{LINE}(?::{COLUMN})?\s?\]?"),
    (Role::Place, r"^\s*(?:File|file|Location|at|test at): {PATH}(?::{LINE})?(?::{COLUMN})?$"),
    (Role::Nearby, r"^\s*(?:location: '|test at ){PATH}:{LINE}:{COLUMN}'?$"),
    (Role::Place, r"^{FILE} \({LINE}:{COLUMN}\)$"),
    (Role::Place, r"^\s+{FILE} {LINE}:{COLUMN}\s+(?:root stylesheet|@use|@import|@forward|\S+\(\))"),
    (Role::Call, r"^{FILE}:{LINE}: (?:in .*|{KIND}?)$"),
    (Role::Place, r"^\s*{FILE}:{LINE}:{COLUMN}:?$"),
    (Role::Place, r"^\s*{FILE}:{LINE}:?$"),
    (Role::File, r"^\s*(?P<file>(?:[A-Za-z]:)?[^\s:'<>|,;=(\[{*]*[^\s:'<>|,;=(]\.[a-z][a-z0-9]{0,5}|(?:[A-Za-z]:)?[.]{0,2}[\\/][^:<>|*]*\.[a-z][a-z0-9]{0,5}|(?:{PART}|[^\s:'<>|,;=(\[{*\\/]+)[\\/][^:<>|*]*\.[a-z][a-z0-9]{0,5})$"),

    // What has failed; these come before the words that say no more than that.
    (Role::Title, r"^SystemCheckError: |^error during build:|^\s*✗ Build failed|^(?:.* )?Build failed with [0-9]+ errors?:?$|^\s*(?:Error: +)?Failed to scan for dependencies|^\s*ERROR in (?:main|.*)$"),

    // What says only that something went wrong.
    (Role::Summary, r"^\s*(?:npm error|npm ERR!) (?:Lifecycle script|command|path|code (?:ELIFECYCLE|[0-9]+$)|workspace|location|Test failed|A complete log|    )"),
    (Role::Summary, r"^\s*(?:\S+: )?(?:ELIFECYCLE|ERR_PNPM_RECURSIVE_RUN|\[?ERR_PNPM_RECURSIVE_RUN_FIRST_FAIL\]?)|^\s*ELIFECYCLE  |^\S+ \S+: Failed$|^.* exited with code [1-9]"),
    (Role::Summary, r"^(?:error|ERROR:?):? (?:could not compile|aborting due to|Command failed|command .* exited|test failed|script .* exited|[0-9]+ targets? failed|Type checking failed|[Tt]est failed|error occurred in dts build)|^Failed to type check|^(?:> )?Build failed because of|^Shutting down(?-u:\b)|^Reason: Worker failed|^\W*(?i:error: )?(?i:failed to (?:compile|build|bundle|type-?check|prerender)(?-u:\b).*|.*(?-u:\b)exited with (?:code|status|signal|exit code|[0-9]).*|.*(?-u:\b)encountered an error(?-u:\b).*|.*(?-u:\b)errors? occurred(?-u:\b).*)$|Some errors were emitted while running"),
    (Role::Summary, r"^error: (?:process didn't exit successfully|Script .* terminated|\x22[^\x22]*\x22 exited with code)|^ ?ERROR  run failed: |^exit status [1-9]|^Error: Command failed with|^(?:ERROR|error)  ?Command failed|^\S+ run failed: |^ERROR: \x22.*\x22 exited with|^collect2: error|^\S*make(?:\[[0-9]+\])?: \*\*\* |^Error: error occurred in dts build"),
    (Role::Summary, r"^(?i:error: (?:the )?(?:build|compilation|bundling|command|script|tests?|tasks?|job|type-?check(?:ing)?|lint(?:ing)?|check|install(?:ation)?) (?:failed|crashed)[.!:]?)$"),
    (Role::Vague, r"^(?P<msg>.{2,60}\s(?i:failed|crashed)[.!:]?)$"),
    (Role::Summary, r"^\s*(?:✖ )?[1-9][0-9]* (?:errors?|problems?|failing|failed|failures?|tests? failed)(?-u:\b)|^There (?:was|were) [0-9]+ (?:errors?|failures?):$|^\s+[1-9][0-9]* Error\(s\)$|^error: the following (?:test )?command failed|^FAILED \(|^FAIL\s\S+\s[0-9.]+s$|^FAIL$|^Found [1-9][0-9]* (?:errors|warnings)|^=+ .*(?-u:\b)[1-9][0-9]* (?:failed|errors?).* =+$"),
    (Role::Summary, r"^(?:Tests?|Test Suites|Test Files|Failed tasks|Failed|Errors):?\s+[1-9][0-9]* (?:failed|errors?)(?-u:\b)|^Failed(?: tasks)?:(?:$|\s*[^\s0])|^FAILED \S+|^ERROR \S+(?:\.py)?(?: - .*)?$|^(?:Error occurred|Code style issues)|^Type-?[Cc]heck(?:ing)? failed"),
    (Role::Summary, r"^(?:.*(?-u:\b)(?:had|with|Found|found|There (?:is|are|was|were)) (?:about )?[1-9][0-9]* (?:errors?|failures?)(?-u:\b))|^test result: FAILED|^(?:failures|successes):$"),
    (Role::Skip, r"^    (?:Import trace|Require stack)|^Import trace|^Require stack:|^- /|^(?:note|hint|tip): |^\s*= (?:note|help)|^help: |^For more information|^Caused by:|^\[cause\]|^\s+\[cause\]|^  \[cause\]|^\s+cause: "),

    // What has failed: the message follows.
    (Role::Test, r"^\s*(?:FAIL|❯ FAIL|FAILED)  ?{FILE}(?: > .*)?(?: \[ .* \])?$"),
    (Role::Title, r"^  ● (?:.*)$|^_{3,} .* _{3,}$|^=+\n?$|^(?:FAIL|ERROR): \S+ \(.*\)$"),
    (Role::Test, r"^\s*[0-9]+\) (?:\[[^\]]*\] › )?{FILE}:{LINE}:{COLUMN} › .*"),
    (Role::Title, r"^\s+FAIL\s+\x22.*|^\s*[0-9]+\) \S.*|^\s*not ok [0-9]+ - .*|^\s+error: \|-$|^---- (?P<test>\S+) stdout ----$|^---- .* stdout ----$"),
    (Role::Title, r"^(?:.* )?(?:Internal server error|Pre-transform error|Error when evaluating SSR module \S*|Transform failed with [0-9]+ errors?|Unable to compile TypeScript|Build failed|Exception in ASGI application|Uncaught Exception|Unhandled Rejection|Unhandled Exception|Startup Error|Unhandled Errors?|Failed Suites [0-9]+|Failed Tests [0-9]+)[ :⎯]*$"),
    (Role::Title, r"^(?:.* )?(?:Internal server error|Pre-transform error): Transform failed with .*$|^.*Transform failed with [0-9]+ errors?:$"),
    (Role::Weak, r"^(?:.*\] )?(?:\([a-z]+\) )?(?:Vite )?(?:Internal server error|Pre-transform error): (?P<msg>.+)"),
    (Role::Title, r"^Exception (?:on|in) .*|^Internal Server Error: /.*|^Process SpawnProcess-[0-9]+:$"),
    // One that was thrown without a message, if a stack follows.
    (Role::Title, r"^(?P<msg>(?P<kind>(?:[A-Z][A-Za-z]*)?Error))$"),
    (Role::Title, r"^(?:.* )?TSError: ⨯ Unable to compile TypeScript:"),

    // Logs of a high level.
    (Role::Error, r"^ERROR: {FILE} (?P<msg>Imports are .+)"),
    (Role::Weak, r"^[^A-Za-z]{0,40}(?:ERROR|FATAL|CRITICAL|SEVERE|fatal|critical|ERR|ERR!|\[[Ee]rror|\| ?[Ee]rror)\s*(?:\]:?|:|\||\))\s*(?:\([^)]*\):? ?|\[[^\]]*\] ?|[A-Za-z0-9_.:<>]+ - )?(?P<msg>\S.*)"),
    (Role::Weak, r"^[^A-Za-z]{0,40}(?:ERROR|FATAL|CRITICAL|SEVERE)\s+(?:\([^)]*\): ?|in [A-Za-z0-9_.]+: )?(?P<msg>\S.*)"),
    (Role::Weak, r"^\[Nest\] .* ERROR (?P<msg>.+)"),
    (Role::Weak, r"^(?:error - |- error )(?P<msg>\S.*)"),
    (Role::Error, r"^(?:\[(?:nuxt|nitro)\] )?\[request error\] (?:\[[a-z]+\] )*\[5[0-9]{2}\] (?P<msg>.+)"),
    (Role::Error, r"^(?:ERR|FTL|PNC) (?P<msg>\S.*)|^(?:ERRO|FATA|PANI)\[[0-9]+\](?: \S+:[0-9]+)?\s+(?P<msg2>\S.*)"),

    // Messages with their kind.
    (Role::Said, r"^E\s{2,}(?:{KIND}(?:: |$))?(?P<msg>.*)"),
    (Role::Strong, r#"^\s+error: ['"](?P<msg>.*)['"]$"#),
    (Role::Strong, r"^error: Uncaught (?:\([a-z ]+\) )?(?P<kind>[A-Z][A-Za-z]+): (?P<msg>.+)"),
    (Role::Strong, r"^\[(?P<kind>vite[:-][^\]]+|plugin[: ][^\]]+)\] (?P<msg>.+)"),
    (Role::Error, r"^zsh: (?P<msg>(?:command not found|no such file or directory|permission denied): .+)$"),
    (Role::Error, r"^(?:/\S*/)?(?:ba|z|da|k)?sh: (?:line )?(?:[0-9]+: )?(?P<msg>.+: (?:command )?not found)$"),
    (Role::Error, r"^(?:/\S*/)?(?P<msg>[a-z][a-z0-9_.-]{0,30}: .*(?:No such file or directory|Permission denied|not found|[Cc]onnection refused|cannot .+|can't .+|No module named .+))$"),
    (Role::Strong, r"^(?:\S+ )?error(?:\[(?P<kind>[A-Za-z0-9-]+)\])?: (?P<msg>.+)"),
    (Role::Strong, r"^\s*\[(?P<kind>[A-Z][A-Z_]{3,}|plugin [^\]]+|builtin:[^\]]+)\] ?(?:Error: )?(?P<msg>.+)"),
    (Role::Strong, r"^\s*(?:✘|✖|×|✗|X) \[ERROR\] (?:\[(?P<kind>plugin [^\]]*)\] )?(?P<msg>.+)"),
    (Role::Strong, r"^@parcel/(?P<kind>[a-z-]+): (?P<msg>.+)"),
    // Its stack has nothing of the project.
    (Role::Strong, r#"^\s*(?:⨯ )?{KIND}(?: \[(?P<code>[A-Za-z_0-9]+)\])?: (?P<msg>Cannot find (?:module|package) .+ imported from ['"]{FILE}['"])$"#),
    (Role::Strong, r"^\s*(?:\[!\]|⨯|✗|×|✖|❌)?\s*(?:\(plugin [^)]*\) )?(?:⨯ )?(?:Uncaught |Unhandled |Unhandled [a-z]+:? |Uncaught \([a-z ]+\) |\[?[Uu]ncaught\]? |Caused by: )?{KIND}(?: \[(?P<code>[A-Za-z_0-9]+)\])?: (?P<msg>.+)"),
    (Role::Strong, r"^(?P<kind>TS[0-9]+)(?: \[ERROR\])?: (?P<msg>.+)|^\s+(?P<kind2>TS[0-9]+): (?P<msg2>.+)"),
    (Role::Strong, r"^(?:panic|fatal error): (?P<msg>.+)"),
    (Role::Strong, r"^(?P<kind>[EFW][0-9]{3,4}|[A-Z]{1,4}[0-9]{3,4})(?: \[\*\])? (?P<msg>.+)"),
    (Role::Strong, r"^(?P<kind>invalid-syntax|unformatted): (?P<msg>.+)"),
    (Role::Strong, r"^\s*(?P<kind>ERR_PNPM_[A-Z_]+)\s+(?P<msg>.+)|^error (?P<msg2>[A-Z].+)"),
    (Role::Error, r"^\s*(?:×|x|✖|✗) (?P<kind>[A-Za-z0-9_-]+(?:\([A-Za-z0-9_@/-]+\)|/[A-Za-z0-9_/-]+)): (?P<msg>.+)"),
    (Role::Error, r"^\s*(?P<msg>Module not found: .+)|^(?P<msg2>Module parse failed: .+)"),
    (Role::Weak, r"^\s*Module build failed"),
    (Role::Error, r"^\s*Syntax error: (?P<msg>.+)|^\s*Type error: (?P<msg2>.+)"),

    // What package managers say, and the rest.
    (Role::Title, r"^(?:npm error|npm ERR!) code (?P<kind>E[A-Z0-9_]+)$"),
    (Role::Skip, r"^(?:npm error|npm ERR!)(?: (?:To see|A complete|Note|Did you mean|Fix the|Usage|Options|aliases|Run|errno|syscall|\s).*)?$"),
    (Role::Report, r"^(?:npm error|npm ERR!) (?P<msg>.+)"),
    (Role::Weak, r"^\s*(?:⨯|✗|×|✖|✘|❌|🚨|\[!\]) +(?P<msg>[^\s0-9].*)"),
    (Role::Weak, r"^  x (?P<msg>[A-Z].+)"),
    // What is indented may be the name of a test, which is a sentence.
    (Role::Strong, r"^\S.{0,79}[\s:]{KIND}: (?P<msg>.+)"),
    (Role::Strong, r"^\s+(?:[^\s-].{0,78})?[:)\]}>] ?{KIND}: (?P<msg>.+)"),
    (Role::Weak, r"^(?P<msg>(?i:failed to|cannot|can't|could not|couldn't|unable to|uncaught|unhandled|fatal|invalid|missing script) \S.*)"),
    (Role::Weak, r"^\s+(?P<msg>(?:Failed to|Cannot|Can't|Could not|Couldn't|Unable to|Uncaught|Unhandled|Fatal|FATAL|Invalid|Missing script) \S.*)"),
    (Role::Weak, r"^(?P<msg>(?:Error|ERROR) (?:in|while|during|when|at|on|reading|loading|parsing|starting|running|connecting)(?-u:\b).*)"),
    (Role::Weak, r"^(?P<msg>[A-Z][a-z]+(?: [a-z]+)? not found: \S.*|Unknown (?:command|option|argument|flag)(?-u:\b).*)"),
    (Role::Weak, r"^(?P<msg>(?:\S(?:.{0,78}[^\[A-Za-z0-9_])?)?[Ee]rror: \S.*)"),
    (Role::Weak, r"^\s+(?P<msg>(?:[^a-z\s-](?:.{0,78}[^\[A-Za-z0-9_])?)?[Ee]rror: \S.*)"),
    (Role::Weak, r"^(?:error|fail)\s{2,}(?P<msg>\S.*)"),
];

/// All rules: which of them may fit a line, and each by itself. Most are never needed, so they are made when they are.
pub(crate) struct Rules {
    words: Words<GROUPS>,
    /// The rules that need no word, and their numbers.
    others: RegexSet,
    numbers: Vec<usize>,
    /// In their order.
    patterns: Vec<OnceLock<Regex>>,
}

/// How many machine words there are with a bit for each rule.
const GROUPS: usize = (FIRST.len() + languages::RULES.len() + REST.len()).div_ceil(64);

pub(crate) static ALL: LazyLock<Rules> = LazyLock::new(|| {
    let (words, numbers) = Words::of(all().map(|(_, pattern)| expand(pattern)));
    let others = all().enumerate().filter(|(number, _)| numbers.binary_search(number).is_ok());
    let others = RegexSet::new(others.map(|(_, (_, pattern))| expand(pattern)));
    Rules {
        words,
        others: others.expect("part of the program, and tested"),
        numbers,
        patterns: all().map(|_| OnceLock::new()).collect(),
    }
});

/// The rules in the order that decides.
fn all() -> impl Iterator<Item = &'static (Role, &'static str)> {
    [FIRST, languages::RULES, REST].into_iter().flatten()
}

fn expand(pattern: &str) -> String {
    let words = [
        // Names of other letters are rare, and cost much.
        (r"\w", "[A-Za-z0-9_]"),
        ("{RUBY}", languages::RUBY),
        ("{CLASS}", languages::CLASS),
        ("{FILE}", FILE),
        ("{PATH}", PATH),
        ("{ROOTED}", ROOTED),
        ("{PART}", PART),
        ("{ENDING}", ENDING),
        ("{LINE}", LINE),
        ("{COLUMN}", COLUMN),
        ("{KIND}", KIND),
        ("{PAGE}", PAGE),
    ];
    words.iter().fold(pattern.to_owned(), |pattern, (word, meaning)| pattern.replace(word, meaning))
}

impl Rules {
    /// What a line is, with the parts that its rule names; nothing in particular without a rule.
    pub(crate) fn read<'a>(&self, line: &'a str) -> Option<(Role, Captures<'a>)> {
        let number = self.first(line)?;
        let (role, _) = all().nth(number)?;
        Some((*role, self.pattern(number).captures(line)?))
    }

    /// The number of the first rule that fits.
    fn first(&self, line: &str) -> Option<usize> {
        let other = self.others.matches(line).iter().next().map(|at| self.numbers[at]);
        let wanted = self.words.wanted(line).iter();
        let mut earlier = wanted.take_while(|number| other.is_none_or(|other| *number < other));
        earlier.find(|number| self.pattern(*number).is_match(line)).or(other)
    }

    fn pattern(&self, number: usize) -> &Regex {
        self.patterns[number].get_or_init(|| {
            let pattern = all().nth(number).map(|(_, pattern)| expand(pattern)).unwrap_or_default();
            Regex::new(&pattern).expect("part of the program, and tested")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_rule_is_a_pattern_and_all_of_them_fit_into_little_room() {
        for (_, pattern) in all() {
            Regex::new(&expand(pattern)).unwrap_or_else(|error| panic!("{error}"));
        }
        let others =
            ALL.numbers.iter().filter_map(|number| all().nth(*number)).map(|(_, pattern)| expand(pattern));
        assert!(regex::RegexSetBuilder::new(others).size_limit(3 * 1024 * 1024).build().is_ok());
    }

    #[test]
    fn no_rule_is_missed_for_want_of_a_word() {
        let lines = crate::detect::corpus::lines();
        for line in lines.iter().step_by(17) {
            let expected = (0..all().count()).find(|number| ALL.pattern(*number).is_match(line));
            assert_eq!(ALL.first(line), expected, "{line}");
        }
    }
}
