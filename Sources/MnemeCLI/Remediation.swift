import Mneme
import MnemeRedis

extension Remedy {
  /// Returns the step with the options and commands that take it. No other code spells them.
  /// - Parameter object: the subject of the error. With its names the command can be pasted.
  func words(about object: ErrorObject? = nil) -> String {
    switch self {
    case .useSentinelURL:
      guard case .url(let url)? = object else { return rawValue }
      return "Give the URL \(shellQuoted(url)) with --url or MNEME_URL."
    case .checkSentinelService:
      guard case .server(let server)? = object, let colon = server.lastIndex(of: ":") else { return rawValue }
      let (host, port) = (server[..<colon], server[server.index(after: colon)...])
      return "Look for its name with 'redis-cli -h \(host) -p \(port) SENTINEL MASTERS'."
    case .checkNetwork:
      return "Check the host, the port and the firewalls in between, or raise --connect-timeout."
    case .allowMoreTime:
      return "Check what keeps the server busy ('redis-cli SLOWLOG GET'), or raise --timeout."
    case .raiseServerLimits:
      return
        "Do it again. If it fails again, raise the server's limits with 'redis-cli CONFIG SET': "
        + "client-output-buffer-limit, maxmemory-clients, proto-max-bulk-len."
    case .installOpenSSL:
      return "Install OpenSSL 3 or 1.1: 'apt install libssl3' on Debian and Ubuntu."
    case .trustAuthority:
      return "Check the host in the URL. If the server has its own authority, name it with --cacert."
    case .provideClientCertificate:
      return "Name the client certificate and key that the server asks for with --cert and --key."
    case .checkTLSHandshake:
      return "The server may require a client certificate (--cert and --key), or accept none of our ciphers."
    case .providePassword:
      return "Give a password: in the URL, with --password-file or --askpass, or in MNEME_PASSWORD."
    case .grantRight:
      guard case .right(let command, let user, let keys)? = object else { return rawValue }
      let words = ["redis-cli", "ACL", "SETUSER", user, "+\(command)"] + (keys.map { ["~\($0)"] } ?? [])
      return "Grant the right: " + words.map(shellQuoted).joined(separator: " ")
    case .endScript: return "Wait for the script, or end it with 'redis-cli SCRIPT KILL'."
    case .checkCluster: return "Look at the cluster with 'redis-cli CLUSTER INFO', and try again."
    case .checkClusterSlots: return "Look at the cluster with 'redis-cli --cluster check HOST:PORT'."
    case .makeRoom:
      return
        "Remove entries, which works on a full server ('mneme vacuum', 'mneme delete', 'mneme clear'), or raise maxmemory."
    case .usePrimary: return "Connect to the primary. To look something up here, 'get --peek' writes nothing."
    case .tagKeyPrefix:
      guard case .keyPrefix(let prefix)? = object else { return rawValue }
      return "Use a key prefix with a hash tag: --key-prefix '\(prefix)'."
    case .repeatFromStart:
      return
        "Find out why it was emptied, restarted or replaced, and run the command again from the beginning."

    case .useOtherPrefix:
      return
        "Look at it with redis-cli TYPE \(key(object)). If another program owns it, use another --key-prefix."
    case .restoreNumber:
      return "Look at \(key(object)) with redis-cli, and restore the number or delete it."
    case .lowerNumber: return "Set it to a smaller number: redis-cli SET \(key(object)) NUMBER"
    case .putAgain: return "Put the response again, or delete the key: redis-cli DEL \(key(object))"
    case .setQuotaAgain:
      guard case .namespace(let namespace)? = object else { return "Set it again with 'mneme set-quota'." }
      return "Set it again: mneme set-quota \(shellQuoted(namespace.name)) N"
    case .setQuotaInRange: return "Set a quota in that range, or remove it with 'mneme set-quota --remove'."
    case .keepQuota:
      return
        "None is needed: the number in quota: is in force. 'mneme set-quota' sets another until the application "
        + "starts again."
    case .repairEntry:
      return "Delete it with 'mneme delete --id \(id(object))', or run 'mneme vacuum --repair'."
    case .replaceEntry:
      return "Delete it with 'mneme delete --id \(id(object))', and put the response again."
    case .removeEntryKey:
      return "Look at it with redis-cli. 'mneme delete --id \(id(object))' removes it."
    case .deleteKey:
      return "Look at it; then redis-cli DEL \(key(object)), and 'mneme vacuum --repair' rebuilds it."
    case .restoreMeta:
      return "Restore the field with 'redis-cli HSET' to what the application that fills the cache uses."
    case .removeLeftovers: return "'mneme vacuum' removes it."
    case .repair: return "'mneme vacuum --repair' repairs it."
    case .useCacheEmbedder:
      return "Use the embedder that filled it (--embedder), or move the entries with 'mneme reembed'."
    case .useCopyEmbedder:
      guard case .keyPrefix(let prefix)? = object else {
        return "Continue it with that --embedder, or remove it with 'mneme drop' and begin again."
      }
      return
        "Continue it with that --embedder, or remove it and begin again: mneme drop --key-prefix \(shellQuoted(prefix))"
    case .emptyPrefix:
      guard case .keyPrefix(let prefix)? = object else {
        return "Name a prefix that is empty, or empty that one with 'mneme drop'."
      }
      return "Name a prefix that is empty, or empty that one: mneme drop --key-prefix \(shellQuoted(prefix))"
    case .copySnapshot:
      return
        "Run 'redis-cli BGSAVE', wait until 'redis-cli LASTSAVE' changes, and copy dump.rdb from the directory "
        + "that 'redis-cli CONFIG GET dir' names. To carry entries elsewhere, use 'mneme export'."
    case .replaceSnapshot:
      return "\(rawValue) To bring entries back from an export, use 'mneme import'."
    case .embedAgain:
      return "Export with --embeddings none and import with --embedder: the embeddings are then made again."
    case .matchDimension:
      guard case .dimension(let count)? = object else { return rawValue }
      return "Give an embedding of \(counted(count, "number"))."
    case .useModelDimension:
      guard case .dimension(let count)? = object else { return rawValue }
      return "Ask for the model's own dimension, as in 'openai:MODEL:dim\(count)'."

    case .provideEmbedding:
      return
        "Give vectors of your own ('put --embedding FILE', or \"embedding\" on a line of an import), or a program "
        + "that makes them (--embedder-command)."
    case .nameEmbedder: return "Name theirs with --embedder, as in 'command:my-model:dim384'."
    case .addVector: return "Add a line for it, and run the command again."
    case .checkModel:
      guard case .embedder(let fingerprint)? = object else { return rawValue }
      return "Check the URL, and that the server has the model of '\(fingerprint)'."
    case .encodeNumberSign:
      return "Write a '#' that belongs to the URL in OPENAI_BASE_URL as %23."
    case .checkKey: return "Check the key in OPENAI_API_KEY, and what it permits."
    case .rewriteKey: return "Set OPENAI_API_KEY to the key alone."
    case .provideKey:
      return "Set OPENAI_API_KEY, or OPENAI_BASE_URL to a server that needs no key."
    case .flushEmbedder:
      return "Let it flush each answer (in Python: print(…, flush=True)), or raise --embedder-timeout."
    case .installCurl: return "Install libcurl: 'apt install libcurl4' on Debian and Ubuntu."
    case .allowEmbedderMoreTime: return "Try again later, or raise --embedder-timeout."

    // The library's text applies to the command unchanged.
    case .rewriteURL, .checkHostName, .checkServer, .startServer, .checkSocket, .checkSocketPermissions,
      .checkListener, .checkTLSPort, .useTLS, .checkPort, .checkURL, .repeatCommand, .verifyAndRepeat,
      .renewCertificate, .useCertificateName,
      .buildWithRedis, .checkTLSFile, .readServerLog, .checkPassword, .enableCommand, .leaveProtectedMode,
      .provideSentinelPassword,
      .tryLater, .waitForPrimary, .waitForReplicas, .waitForClients, .freeDisk, .readServerLogForCommand,
      .useLowerDatabase, .reduceWriters, .stopWriters, .findLostWrites, .deleteOrDecode, .useNewerVersion,
      .openWithEmbedder, .useEmptyPrefix, .reduceConnections, .namePrefix, .reopen, .exportEntries, .shorten,
      .nameNamespace,
      .writeObject, .flatten, .writeIntegerAsString, .makeQueryHash, .storeAnswer, .setTTLInRange,
      .provideBothKinds,
      .checkEmbedder, .endInDimension, .lowerDimension, .omitText, .writeVector, .writeTextAndVector,
      .checkShell, .tryEmbedderByHand, .checkEmbeddingURL, .numberVectors, .followRedirection,
      .checkModelAndText, .raiseRateLimit, .readEmbedderLog, .rewriteEmbedderURL, .checkEmbedderPort,
      .reachEmbedder, .checkEmbedderCertificate, .checkEmbedderServer:
      return rawValue
    }
  }

  private func id(_ object: ErrorObject?) -> String {
    if case .entry(let id)? = object { "\(id)" } else { "ID" }
  }

  private func key(_ object: ErrorObject?) -> String {
    if case .key(let key)? = object { shellQuoted(key) } else { "KEY" }
  }
}

extension MnemeError {
  /// A step that the reader can take, in the command's words.
  var remediation: String {
    // An embedder's error about a stored entry.
    if self is EmbedderError, case .entry(let id)? = object {
      return "\(remedy.words()) You can also delete the entry: 'mneme delete --id \(id)'."
    }
    return remedy.words(about: object)
  }
}

extension CacheProblem {
  /// The repair, in the command's words.
  var repair: String {
    switch remedy {
    case .repair where kind == .wrongQuota:
      "'mneme vacuum --repair' \(kind.repairing). Otherwise set it again with 'mneme set-quota'."
    case .repair: "'mneme vacuum --repair' \(kind.repairing)."
    case .replaceEntry where keepsPythonOut:
      remedy.words(about: object) + " 'mneme vacuum --repair --drop-unreadable' deletes all of these."
    default: remedy.words(about: object)
    }
  }
}
