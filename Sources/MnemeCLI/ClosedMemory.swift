import CProcess
import CommandGrammar

/// Disables core dumps of this process, and tracing by other processes of the same user.
///
/// Only for a process that holds a password or a key, because otherwise a debugger and a core dump are useful. The
/// price is that `/proc/PID` belongs to root; `ps` shows the process as before. If the kernel refuses it, the command
/// continues.
func closeMemory() { _ = process_close_memory() }

/// Variables that hold a key or a password.
private let secretVariables = ["OPENAI_API_KEY", "MNEME_PASSWORD", "REDISCLI_AUTH"]

/// Variables that hold the URL of the Redis server, which may contain its password.
private let urlVariables = ["MNEME_URL", "REDIS_URL"]

/// Returns the variables that another program may see, without mneme's keys and passwords.
func withoutSecrets(_ environment: [String: String]) -> [String: String] {
  environment.filter { variable in
    !(secretVariables + urlVariables).contains(variable.key)
      // These may hold a user and a password, before an '@'.
      && !(serverVariables.contains(variable.key) && variable.value.utf8.contains(UInt8(ascii: "@")))
  }
}

/// Variables that hold the address of a server of embeddings.
private let serverVariables = ["OPENAI_BASE_URL", "OLLAMA_HOST"]

/// Variables that hold the address of a proxy, which libcurl reads.
private let proxyVariables = ["http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"]

/// Whether the environment, which is part of the memory of a process, holds a password or a key.
func holdsSecret(_ environment: Environment) -> Bool {
  secretVariables.contains { environment[$0]?.isEmpty == false }
    || (urlVariables + serverVariables + proxyVariables).contains { name in
      environment[name].map { !passwordRanges(in: $0.utf8).isEmpty } ?? false
    }
}
