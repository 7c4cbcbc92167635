//! The rules for what programs and tools of other languages than JavaScript and Python print.

use super::Role;

/// A file of Ruby, which may have no ending.
pub(super) const RUBY: &str = r#"(?P<file>(?:[A-Za-z]:)?(?:{PART}[\\/]|[^\s:<>"'`(\[-])[^:<>"`]*)"#;
/// A class of Ruby.
pub(super) const CLASS: &str = r"[A-Z]\w*(?:::[A-Z]\w*)*";

/// The rules.
#[rustfmt::skip]
pub(super) const RULES: &[(Role, &str)] = &[
    // Ruby. What is raised while another error is handled is told with it, the last one first.
    (Role::Whole, r"^\S+:[0-9]+:in [`'][^']*': (?:--> )?{RUBY}:{LINE}: (?P<msg>syntax errors?(?:,| found).*?)(?: \((?P<kind>SyntaxError)\))?$"),
    (Role::Raised, r"^{RUBY}:{LINE}:in [`'].*': (?P<msg>.+) \((?P<kind>{CLASS})\)$"),
    (Role::Raised, r"^<internal:[^>]*>:[0-9]+:in [`'].*': (?P<msg>.+) \((?P<kind>{CLASS})\)$"),
    (Role::Raised, r"^{RUBY}:{LINE}:in [`'].*': (?P<msg>unhandled exception)$"),
    (Role::Raised, r"^{RUBY}:{LINE}:in [`'].*': (?P<msg>.+) \((?P<kind>{CLASS})$"),
    (Role::Whole, r"^{RUBY}:{LINE}: (?:[^:\s]+:[0-9]+: )?(?P<msg>syntax errors?(?:,| found).*?)(?: \((?P<kind>SyntaxError)\))?$"),
    (Role::Frame, r"^\s*(?:from |# |[0-9]+: from )?{RUBY}:{LINE}:in [`'].*$"),
    (Role::Frame, r"^\s+# (?P<file>\./[^:]*):{LINE}(?::in .*)?$"),
    // Rails tells an address that it does not know as it tells an error of the program. These are asked for by browsers.
    (Role::Warning, r#"^ActionController::RoutingError \(No route matches \[[A-Z]+\] "/(?:favicon|apple-touch-icon|robots\.txt|sw\.js|service-worker\.js|manifest|\.well-known/|[^"]*\.map")"#),
    // Its message may have several lines, of which the last one has the bracket.
    (Role::Strong, r"^(?P<kind>(?:[A-Z]\w*::)+[A-Z]\w*|[A-Z]\w*(?:Error|Exception)) \((?P<msg>.+)\):$"),
    (Role::Strong, r"^(?P<kind>(?:[A-Z]\w*::)*[A-Z]\w*(?:Error|Exception)) \((?P<msg>[^()]+)$"),
    (Role::Strong, r"^(?P<kind>(?:[A-Z]\w*::)*[A-Z]\w+(?:Error|Exception)) - (?P<msg>.+?):?$"),
    (Role::Strong, r"^.{0,100}Rack app .*\): #<(?P<kind>{CLASS}): (?P<msg>.*?)>?$"),
    // RSpec says first in which line, and the message after an empty one.
    (Role::Source, r"^\s+Failure/Error:$"),
    (Role::Skip, r"^\s+Failure/Error: \S"),
    (Role::Pending, r"^ {5,6}# [^./\s]"),
    (Role::Quoted, r"^Skipped:$"),
    (Role::Text, r"^ {7,8}(?P<msg>expected: \S.*)"),
    (Role::Title, r"^\s+(?P<kind>(?:[A-Z]\w*::)*[A-Z]\w*(?:Error|Exception)):$"),
    (Role::Title, r"^Failure:$|^(?:Failure|Error): test.*\(\S+\):?$"),
    (Role::Title, r"^\S+#test\S* \[{PATH}:{LINE}\]:$"),
    (Role::Title, r"^\S+#test\S*:$"),

    // Elixir and Erlang. A box may be around an error or a warning, and says at its end where it is.
    (Role::Skip, r"^\s*\*\* \(exit\) an exception was raised:$"),
    (Role::Summary, r"^\*\* \(CompileError\) .*(?:errors have been logged|cannot compile (?:file|module))|^could not compile dependency :"),
    (Role::Strong, r"^\s*\*\* \((?P<kind>[A-Z][\w.]*)\) {PATH}:{LINE}(?::{COLUMN})?: (?P<msg>.+)"),
    (Role::Title, r"^\s*\*\* \((?P<kind>[A-Z][\w.]*)\) (?P<msg>.* on) {PATH}:{LINE}(?::{COLUMN})?:$"),
    (Role::Strong, r"^\s*\*\* \((?P<kind>[A-Z][\w.]*)\) (?P<msg>.+)"),
    (Role::Strong, r"^\s*\*\* \((?P<kind>exit|throw)\) (?P<msg>.+)"),
    (Role::Box, r"^ {4}error: (?P<msg>\S.*)"),
    (Role::Boxed, r"^\s*└─ {PATH}:{LINE}(?::{COLUMN})?(?::? .*)?$"),
    (Role::Title, r"^== Compilation error in file {PATH} ==$"),
    (Role::Frame, r"^\s+\((?:elixir|stdlib|kernel|mix|iex|eex|ex_unit|logger|compiler|ssl|phoenix\w*|plug\w*|ecto\w*|cowboy\w*|ranch|bandit|thousand_island|db_connection|postgrex|myxql|telemetry\w*|absinthe\w*|oban\w*|finch|mint|req|tesla|jason|gen_stage|broadway|nimble_\w+|swoosh|gettext|live_view|hackney|websock\w*) [0-9][^)]*\) .*"),
    (Role::Nearby, r"^ {5}(?P<file>(?:[A-Za-z]:)?[^\s:][^:]*\.exs):{LINE}$"),
    (Role::Frame, r"^\s+(?:\([a-z][a-z0-9_]* [0-9][^)]*\) )?(?P<file>(?:[A-Za-z]:)?(?:{PART}[\\/]|[^\s:(])[^:]*\.(?:exs?|erl|h?eex|leex)):{LINE}: \S.*"),

    // PHP. Behind the first of several comes what was thrown while it was handled.
    (Role::Warning, r"^(?:\[[^\]]*\] )?PHP (?:Warning|Notice|Deprecated|Strict Standards): "),
    (Role::Strong, r"^(?:PHP )?(?:Fatal|Recoverable fatal|Catchable fatal) error: +Uncaught (?P<kind>[A-Za-z_\\][\w\\]*): (?P<msg>.*?) in {PATH}:{LINE}$"),
    (Role::Strong, r"^(?:PHP )?(?:Fatal|Recoverable fatal|Catchable fatal) error: +Uncaught (?P<kind>[A-Za-z_\\][\w\\]*): (?P<msg>.*)"),
    (Role::Strong, r"^(?:PHP )?(?:Fatal|Parse|Recoverable fatal|Catchable fatal|Compile|Core) error: +(?P<msg>.*?) in {PATH} on line {LINE}$"),
    (Role::Next, r"^Next (?P<kind>[A-Za-z_\\][\w\\]*): (?P<msg>.*?) in {PATH}:{LINE}$"),
    (Role::Next, r"^Next (?P<kind>[A-Za-z_\\][\w\\]*(?:Exception|Error)): (?P<msg>.*)"),
    (Role::Skip, r"^Stack trace:$|^Errors parsing \S"),
    (Role::Place, r"^\s+thrown in {PATH} on line {LINE}$"),
    (Role::Frame, r"^#[0-9]+ {PATH}\({LINE}\): "),
    (Role::Strong, r"^[0-9a-f.:\[\]]+ \[500\]: [A-Z]+ \S+ - (?:PHP )?(?:Uncaught )?(?P<kind>[A-Za-z_\\][\w\\]*): (?P<msg>.*?) in {PATH}:{LINE}$"),
    (Role::Strong, r#"^[\w-]+\.(?:ERROR|CRITICAL|ALERT|EMERGENCY): (?P<msg>.*?) \{.*"exception":"\[object\] \((?P<kind>[\w\\]+)\(code: [^)]*\): .* at {PATH}:{LINE}\)$"#),
    (Role::Error, r"^[\w-]+\.(?:ERROR|CRITICAL|ALERT|EMERGENCY): (?P<msg>.+)"),
    (Role::Title, r"^ {3}(?P<kind>(?:[A-Z]\w*\\)+[A-Z]\w*|[A-Z]\w*(?:Exception|Error)) $"),
    (Role::Frame, r"^\s+at (?P<file>(?:[A-Za-z]:)?[^\s:][^:]*\.php):{LINE}$"),
    (Role::Frame, r"^\s+[0-9]+\s+(?P<file>(?:[A-Za-z]:)?[^\s:][^:]*\.php):{LINE}$"),

    // Java and what runs beside it. A frame says which class, and only the name of the file.
    (Role::Uncaught, r#"^Exception in thread "[^"]*" (?P<kind>(?:\w+\.)*[A-Z][\w$]*): (?P<msg>.+)"#),
    (Role::Uncaught, r#"^(?P<msg>Exception in thread "[^"]*" (?P<kind>(?:\w+\.)*[A-Z][\w$]*))$"#),
    (Role::Title, r"^(?P<msg>(?P<kind>(?:[a-z_]\w*\.)+[A-Z][\w$]*(?:Exception|Error)))$"),
    (Role::Frame, r"^\s+at (?:(?:java|jdk|kotlin|scala|spring|app)[\w.]*(?:@[\w.]+)?/+)?(?:java|javax|jakarta|jdk|sun|com\.sun|kotlin|kotlinx|scala|groovy|clojure|org\.(?:springframework|apache|hibernate|junit|opentest4j|gradle|eclipse|jboss|mockito|assertj|postgresql|h2|codehaus|slf4j|testng|hamcrest|jetbrains)|io\.(?:netty|micronaut|quarkus|undertow|ktor|vertx|reactivex)|reactor|com\.(?:fasterxml|zaxxer|mysql|google\.(?:common|inject|gson)|intellij)|okhttp3|retrofit2|android|androidx|dalvik|com\.android)\.[\w.$<>/-]+\(.*"),
    (Role::Frame, r"^\s+at \S+\(.*\) ~?\[[^\]]*\.jar[!:].*"),
    (Role::Frame, r"^\s+at (?:[\w.@-]*/+)*[\w.$<>-]+\((?P<file>[^\s():/\\]+\.(?:java|kts?|scala|groovy|clj)):{LINE}\)(?: ~?\[.*\])?$"),
    (Role::Weak, r"^ERROR +[0-9]+ --- \[.*?\s: (?P<msg>\S.*)"),
    (Role::Title, r"^ERROR +[0-9]+ --- \[.*\s:\s*$"),
    (Role::Skip, r"^Error starting ApplicationContext\."),
    (Role::Title, r"^APPLICATION FAILED TO START$"),
    (Role::Skip, r"^Description:$"),
    // Kotlin, Gradle and Maven. Of what a test has thrown Gradle tells only the class and the place, if nobody asks for more.
    (Role::Whole, r"^\s+(?P<msg>(?P<kind>(?:[a-z_]\w*\.)+[A-Z][\w$]*)) at (?P<file>[^\s():/\\]+\.(?:java|kts?|groovy|scala)):{LINE}$"),
    (Role::Whole, r"^e: {PATH}:{LINE}:{COLUMN}:? (?P<msg>.+)"),
    (Role::Whole, r"^e: {PATH}: \({LINE}, {COLUMN}\): (?P<msg>.+)"),
    (Role::Error, r"^e: (?P<msg>[A-Za-z][\w.]* [\w']+ .+)"),
    (Role::Title, r"^\* What went wrong:$"),
    (Role::Place, r"^Build file '{PATH}' line: {LINE}$"),
    (Role::Summary, r"^FAILURE: Build failed with |^Execution failed for task '|^> Task :\S+ FAILED$"),
    (Role::Whole, r"^\[ERROR\] {PATH}:\[{LINE},{COLUMN}\] (?:error: )?(?P<msg>.+)"),
    (Role::Skip, r"^\[ERROR\]\s*$|^\[ERROR\] {2,}(?:symbol|location|required|found|reason|both|where|method|constructor)(?-u:\b)|^\[ERROR\] {4,}\S"),
    (Role::Skip, r"^\[ERROR\] (?:COMPILATION ERROR|-> \[Help|\[Help|To see the full|Re-run Maven|For more information|After correcting|Failures: *$|Errors: *$)"),
    (Role::Summary, r"^\[ERROR\] (?:Failed to execute goal|Tests run: )"),
    (Role::Title, r"^\[ERROR\] \S+ -- Time elapsed: .* <<< (?:FAILURE|ERROR)!$"),
    (Role::Summary, r"^\[ERROR\] +(?P<msg>\S+\.\S+:[0-9]+ .*|\S+\.\S+ » .*)"),

    // Scala: sbt has its level before each line.
    (Role::Whole, r"^\[error\] {PATH}:{LINE}:{COLUMN}: (?P<msg>.+)"),
    (Role::Whole, r"^(?:\[error\] )?-- (?:\[(?P<kind>E[0-9]+)\] )?(?P<msg>[A-Z][A-Za-z ]*Error): {PATH}:{LINE}:{COLUMN} "),
    (Role::Skip, r"^\[error\]  +\S"),
    (Role::Summary, r"^\[error\] (?:[a-z0-9]+ errors? found$|\([^()]* / [^()]*\) )"),
    // C#.
    (Role::Uncaught, r"^(?:Unhandled exception\.|\[ERROR\] FATAL UNHANDLED EXCEPTION:) (?P<kind>(?:\w+\.)*[A-Z]\w*): (?P<msg>.+)"),
    (Role::Frame, r"^\s+at .+ in {PATH}:(?:line )?{LINE}\s*$"),
    (Role::Whole, r"^(?:MSBUILD|CSC|VBC|{PATH}) : (?:fatal )?error (?P<kind>[A-Z]+[0-9]+): (?P<msg>.*?)(?: \[[^\]]*proj\])?$"),
    (Role::Whole, r"^error (?P<kind>[A-Z]{2,}[0-9]{3,}): (?P<msg>.+)"),
    (Role::Title, r"^(?:fail|crit): [\w.]+\[[0-9]+\]$"),
    (Role::Title, r"^\s+Failed \S.* \[[0-9<].*s\]$"),
    (Role::Skip, r"^\s+(?:Error Message|Stack Trace):$"),
    (Role::Summary, r"^\[xUnit\.net .*\[FAIL\]$"),

    // Go. Its log has no level, but says from where it was written. Testify says in a table what is wrong.
    (Role::Strong, r"^\s+Error: +\t\s*(?P<msg>\S.*)"),
    (Role::Error, r"^(?P<file>(?:[A-Za-z]:)?[^\s:][^:]*\.go):{LINE}: (?P<msg>(?i:(?:fatal|error): |(?:failed to|cannot|could not|unable to) ).*)"),
    (Role::Logged, r"^(?:\S+\t)?(?:ERROR|DPANIC|PANIC|FATAL)\t(?P<file>(?:[A-Za-z]:)?[^\s:][^:\t]*\.go):{LINE}\t(?P<msg>[^\t]+)"),

    // Zig, Swift and what is compiled to the machine's code.
    (Role::Strong, r"^thread [0-9]+ panic: (?P<msg>.+)"),
    (Role::Frame, r"^{PATH}:{LINE}:{COLUMN}: 0x[0-9a-f]+ in .*"),
    (Role::Whole, r"^(?P<file>(?:[A-Za-z]:)?[^\s:][^:]*\.swift):{LINE}: (?P<msg>Fatal error: .+)"),
    (Role::Whole, r"^(?P<msg>Fatal error: .+): file {PATH}, line {LINE}$"),
    (Role::Whole, r"^(?:\S+: )?{PATH}:{LINE}: .*: (?P<msg>Assertion [`'].*' failed\.)$"),
    (Role::Whole, r"^(?P<msg>Assertion failed: \(.*\)), function .*, file {PATH}, line {LINE}\.$"),
    (Role::Whole, r"^{PATH}:{LINE}:{COLUMN}: runtime error: (?P<msg>.+)"),
    (Role::Strong, r"^==[0-9]+==\s?ERROR: (?P<kind>[A-Z]\w*Sanitizer): (?P<msg>.+)"),
    (Role::Frame, r"^\s+#[0-9]+ 0x[0-9a-f]+ in [^/]*(?P<file>/[^:]*\.{ENDING}):{LINE}(?::{COLUMN})?$"),
    (Role::Error, r"^(?:(?:\S*sh: )?(?:line [0-9]+: +[0-9]+ +)?|zsh: |\[[0-9]+\] +[0-9]+ +)(?P<msg>[Ss]egmentation fault|[Bb]us error|[Ii]llegal (?:hardware )?instruction|[Ff]loating[ -]point exception)(?: +\(core dumped\))?(?:(?:  |\.?/).*)?$"),
    (Role::Title, r"^terminate called after throwing an instance of '(?P<kind>[^']+)'$"),
    (Role::Error, r"^\s+what\(\): +(?P<msg>.+)"),
    (Role::Strong, r"^libc\+\+abi: terminating (?:due to|with) uncaught exception of type (?P<kind>[\w:<>]+): (?P<msg>.+)"),
];
