#!/usr/bin/env bash
# Fetches the upstream editions of skills at the commits pinned in skills/upstream.conf, verified; see --help.
# bash 3.2 and git 2.27 are enough.
set -euo pipefail

usage() {
  cat <<'TEXT'
Usage: sync-upstream-skills.sh [--force] [NAME...]
       sync-upstream-skills.sh --check [NAME...]
       sync-upstream-skills.sh --pin REV NAME
       sync-upstream-skills.sh --list

Fetch upstream's own edition of each skill NAME (default: all) at the commit that skills/upstream.conf pins, check its
hash, and put it, byte for byte, into skills/upstream/NAME/. Where it came from is written beside it. Any failure changes
nothing.

  --check    fetch only, and compare: is the pin still there, and does upstream's watched folder hold the same?
  --pin REV  move the pin of NAME to REV (a branch, tag or commit of upstream's) and show what that changes
  --list     the skills, their pins, and what is there
  --force    replace a copy that was edited here
  --help     this text

UPSTREAM_URL: another URL, or a local repository, to fetch from instead of the one in skills/upstream.conf.

Exit codes: 0 done, or nothing changed upstream; 1 refused, failed, or (--check) something changed upstream; 2 wrong usage;
3 (--check) upstream cannot be reached.
TEXT
}

# Print in a subshell, so that a closed pipe (`| head -1`) does not kill the script.
say() {
  (printf '%s\n' "$1") || true
}

die() {
  printf 'error: %s\n' "$1" >&2
  [ $# -lt 2 ] || printf '  %s\n' "$2" >&2
  exit "${3:-1}"
}

wrong_usage() {
  die "$1" 'see: sync-upstream-skills.sh --help' 2
}

# --- where things are

find_top() {
  local script=$0 target
  while [ -L "$script" ]; do
    target=$(readlink "$script")
    case $target in
      /*) script=$target ;;
      *) script=$(dirname "$script")/$target ;;
    esac
  done
  cd "$(dirname "$script")" && pwd -P
}

setting() { # NAME KEY
  git config -f "$CONF" --get "skill.$1.$2" || die "$CONF: skill.$1.$2 is missing"
}

names() {
  git config -f "$CONF" --name-only --get-regexp '^skill\..*\.commit$' | sed 's/^skill\.//; s/\.commit$//'
}

check_name() {
  [[ $1 =~ ^[a-z0-9]+(-[a-z0-9]+)*$ ]] || wrong_usage "$1 is no name of a skill"
  names | grep -qxF -- "$1" || wrong_usage "$CONF has no skill $1"
  local key
  for key in url commit path tree licence branch watch; do
    setting "$1" "$key" >/dev/null
  done
}

# --- one run at a time (a link to the number of its process, made in one step), and what a killed one has left

take_lock() {
  local waited=0 owner
  mkdir -p "$UPSTREAM" || die "$UPSTREAM cannot be made" "see who may write in $TOP/skills"
  until ln -sn $$ "$LOCK" 2>/dev/null; do
    owner=$(readlink "$LOCK" || true)
    if [ -z "$owner" ]; then # released just now, or it cannot be made at all
      [ "$waited" -lt 20 ] || die "$UPSTREAM cannot be written" 'see who may write there'
    elif ! kill -0 "$owner" 2>/dev/null; then
      remove_stale "$owner"
    fi
    [ "$waited" -lt 600 ] || die "another run is at work (process $owner)" "if it is not: rm $LOCK"
    waited=$((waited + 1))
    sleep 0.1
  done
  HELD=yes
  clear_up
}

# The lock of a killed run. Of two that wait, the second may have renamed the first one's new lock: that goes back.
remove_stale() { # OWNER
  mv "$LOCK" "$LOCK.$$" 2>/dev/null || return 0
  [ "$(readlink "$LOCK.$$")" = "$1" ] || ln -sn "$(readlink "$LOCK.$$")" "$LOCK" 2>/dev/null || true
  rm -f "$LOCK.$$"
}

# A run that was killed between its two renames has left the earlier copy in its staging folder.
clear_up() {
  local staging name
  for staging in "$UPSTREAM"/.sync.*; do
    [ -d "$staging" ] || continue
    for name in "$staging"/old/*; do
      [ -d "$name" ] || continue
      [ -e "$UPSTREAM/${name##*/}" ] || mv "$name" "$UPSTREAM/${name##*/}"
    done
    rm -rf "$staging"
  done
}

# shellcheck disable=SC2329 # the trap calls it
leave() {
  local code=$?
  [ -z "$WORK" ] || rm -rf "$WORK"
  if [ -n "$HELD" ]; then
    [ -z "$STAGING" ] || clear_up
    rm -f "$LOCK"
    rmdir "$UPSTREAM" 2>/dev/null || true
  fi
  exit "$code"
}

# --- git objects, in a temporary repository

open_work() { # URL
  rm -rf "$WORK/git"
  git init --quiet --bare "$WORK/git"
  g config remote.origin.url "$1"
  g config transfer.fsckObjects true # refuses trees with .. or .git in them
  g ls-remote --quiet origin HEAD >/dev/null 2>"$WORK/errors" || unreachable "$1"
}

g() {
  git --git-dir="$WORK/git" "$@"
}

without_password() { # URL
  printf '%s' "$1" | sed 's,//[^/@]*@,//***@,'
}

reason() { # git's own
  without_password "$(grep -m 1 '^fatal: ' "$WORK/errors" || tail -n 1 "$WORK/errors")"
}

unreachable() {
  local code=1
  [ "$MODE" != check ] || code=3
  die "$(without_password "$1") cannot be reached: $(reason)" 'check the network, or name another place in UPSTREAM_URL' "$code"
}

# Only what is needed: one commit with its trees, and later the few blobs that are asked for.
fetch_commit() { # COMMIT BRANCH
  g fetch --quiet --no-tags --depth=1 --filter=blob:none origin "$1" 2>"$WORK/errors" && return
  # Some servers serve no commit by its name: then the history of the watched branch, without its files.
  g fetch --quiet --no-tags --filter=blob:none origin "refs/heads/$2" 2>>"$WORK/errors" || true
  g cat-file -e "$1^{commit}" 2>/dev/null && return
  die "upstream has no commit $1: $(reason)" 'move the pin: --pin REV NAME'
}

fetch_ref() { # REV: gives the commit
  g fetch --quiet --no-tags --depth=1 --filter=blob:none origin "$1" 2>"$WORK/errors" || return 1
  g rev-parse 'FETCH_HEAD^{commit}'
}

tree_of() { # COMMIT PATH: nothing where there is no such folder
  local found
  found=$(g rev-parse --quiet --verify "$1:$2" 2>/dev/null) || return 0
  [ "$(g cat-file -t "$found")" != tree ] || printf '%s\n' "$found"
}

# Plain files only, under names that cannot lead out of the folder.
check_entries() { # TREE NAME
  local mode type hash name
  while IFS=' ' read -r -d '' mode type hash && IFS= read -r -d '' name; do
    case $mode in
      100644 | 100755) ;;
      120000) die "$2: upstream's $name is a symlink" 'nothing was changed' ;;
      *) die "$2: upstream's $name is a $type of mode $mode, $hash" 'nothing was changed' ;;
    esac
    case "/$name/" in
      */../* | */./* | *//* | */.[gG][iI][tT]/*) die "$2: upstream's $name would leave the folder" 'nothing was changed' ;;
    esac
  done < <(g ls-tree -r -z "$1" | entry_fields)
}

entry_fields() { # `MODE TYPE HASH<tab>NAME` to `MODE TYPE HASH`, `NAME`, each ended by NUL
  local line
  while IFS= read -r -d '' line; do
    printf '%s\0%s\0' "${line%%$'\t'*}" "${line#*$'\t'}"
  done
}

write_files() { # TREE FOLDER
  local mode hash name
  mkdir -p "$2"
  while IFS=' ' read -r -d '' mode _ hash && IFS= read -r -d '' name; do
    case $name in
      */*) mkdir -p "$2/${name%/*}" ;;
    esac
    g cat-file blob "$hash" >"$2/$name"
    [ "$mode" != 100755 ] || chmod +x "$2/$name"
  done < <(g ls-tree -r -z "$1" | entry_fields)
}

# The hash that git gives the files in a folder as they are on disk: no filters, no line ends changed.
hash_of() { # FOLDER
  [ -d "$1" ] || return 0
  (
    export GIT_INDEX_FILE=$WORK/index
    rm -f "$GIT_INDEX_FILE"
    index_of "$1"
    git --git-dir="$WORK/hashes" write-tree
  )
}

index_of() { # FOLDER
  local file mode hash
  [ -d "$WORK/hashes" ] || git init --quiet --bare "$WORK/hashes"
  while IFS= read -r -d '' file; do
    mode=100644
    [ ! -x "$file" ] || mode=100755
    if [ -L "$file" ]; then
      mode=120000 hash=$(readlink "$file" | git --git-dir="$WORK/hashes" hash-object -w --stdin)
    else
      hash=$(git --git-dir="$WORK/hashes" hash-object -w --no-filters -- "$file")
    fi
    printf '%s %s\t%s\0' "$mode" "$hash" "${file#"$1"/}"
  done < <(find "$1" \( -type f -o -type l \) -print0) | git --git-dir="$WORK/hashes" update-index -z --index-info
}

# --- what is done to one skill

sync() { # NAME
  local name=$1 commit path tree target found new
  commit=$(setting "$name" commit) path=$(setting "$name" path) tree=$(setting "$name" tree)
  target=$UPSTREAM/$name
  found=$(hash_of "$target")
  if [ "$found" = "$tree" ] && [ "$(provenance "$name" commit)" = "$commit" ]; then
    say "$name: unchanged, $commit"
    return
  fi
  refuse_edited "$name" "$found" "$tree"
  open_work "${UPSTREAM_URL:-$(setting "$name" url)}"
  fetch_commit "$commit" "$(setting "$name" branch)"
  new=$(tree_of "$commit" "$path")
  [ -n "$new" ] || die "$name: $commit has no folder $path" 'correct skills/upstream.conf'
  [ "$new" = "$tree" ] || die "$name: $path has the hash $new, and $tree is pinned" 'nothing was changed'
  check_entries "$tree" "$name"
  STAGING=$(mktemp -d "$UPSTREAM/.sync.XXXXXX")
  write_files "$tree" "$STAGING/$name"
  [ "$(hash_of "$STAGING/$name")" = "$tree" ] || die "$name: what was written is not what was fetched" 'nothing was changed'
  write_provenance "$name" "$STAGING/provenance"
  swap "$name"
  say "$name: $commit is in ${target#"$TOP"/}"
}

swap() { # NAME: two renames; a run that is killed in between is put right by the next
  mkdir "$STAGING/old"
  [ ! -e "$UPSTREAM/$1" ] || mv "$UPSTREAM/$1" "$STAGING/old/$1"
  mv "$STAGING/$1" "$UPSTREAM/$1"
  mv "$STAGING/provenance" "$UPSTREAM/$1.provenance"
  rm -rf "$STAGING"
  STAGING=
}

provenance() { # NAME KEY
  git config -f "$UPSTREAM/$1.provenance" --get "upstream.$2" 2>/dev/null || true
}

write_provenance() { # NAME FILE
  local key
  printf '# Where the files in %s/ come from; made by sync-upstream-skills.sh, which also syncs them again.\n' "$1" >"$2"
  for key in url commit path tree licence; do
    git config -f "$2" "upstream.$key" "$(setting "$1" "$key")"
  done
  git config -f "$2" upstream.date "$(g show -s --format=%cI "$(setting "$1" commit)")"
  git config -f "$2" upstream.resync "./sync-upstream-skills.sh $1"
}

# A copy that is neither what was synced last nor what is pinned was edited here.
refuse_edited() { # NAME FOUND PINNED
  local was
  was=$(provenance "$1" tree)
  if [ -z "$2" ] || [ "$2" = "$3" ] || [ "$2" = "$was" ] || [ -n "$FORCE" ]; then
    return 0
  fi
  printf 'error: %s was edited:\n' "${UPSTREAM#"$TOP"/}/$1" >&2
  edits "$1" "$2" "${was:-$3}" >&2
  printf '  --force replaces it\n' >&2
  exit 1
}

edits() { # NAME FOUND WAS: the files that differ, where upstream's are to be had; otherwise all that are there
  if (open_work "${UPSTREAM_URL:-$(setting "$1" url)}" && fetch_commit "$(provenance "$1" commit)" "$(setting "$1" branch)") >/dev/null 2>&1; then
    g config core.quotePath true
    GIT_ALTERNATE_OBJECT_DIRECTORIES=$WORK/hashes/objects g diff-tree -r --name-status "$3" "$2" | sed 's/^/  /'
  else
    git --git-dir="$WORK/hashes" ls-tree -r --name-only "$2" | sed 's/^/  /'
  fi
}

check() { # NAME: 1 where something has changed
  local name=$1 commit tree branch watch tip now
  commit=$(setting "$name" commit) tree=$(setting "$name" tree)
  branch=$(setting "$name" branch) watch=$(setting "$name" watch)
  open_work "${UPSTREAM_URL:-$(setting "$name" url)}"
  fetch_commit "$commit" "$branch"
  now=$(tree_of "$commit" "$(setting "$name" path)")
  [ "$now" = "$tree" ] || die "$name: the pinned folder has the hash ${now:-of nothing}, and $tree is pinned"
  tip=$(fetch_ref "refs/heads/$branch") || die "$name: upstream's branch $branch is gone" 'watch another one: skills/upstream.conf'
  now=$(tree_of "$tip" "$watch")
  if [ -z "$now" ]; then
    say "$name: upstream's $branch has no folder $watch any more ($tip)"
    return 1
  fi
  if [ "$now" = "$tree" ]; then
    say "$name: unchanged, $commit"
    return 0
  fi
  say "$name: $watch has changed on $branch ($tip):"
  show_diff "$tree" "$now"
  return 1
}

show_diff() { # TREE TREE
  g --no-pager diff --no-ext-diff --no-textconv --stat -p "$1" "$2" || true
}

move_pin() { # NAME REV
  local name=$1 commit path tree old new
  open_work "${UPSTREAM_URL:-$(setting "$name" url)}"
  commit=$(fetch_ref "$2") || die "$name: upstream has no $2: $(reason)" 'give a branch, a tag or a whole commit'
  for path in "$(setting "$name" path)" "$(setting "$name" watch)"; do
    tree=$(tree_of "$commit" "$path")
    [ -z "$tree" ] || break
  done
  [ -n "$tree" ] || die "$name: $commit has neither $(setting "$name" path) nor $path"
  check_entries "$tree" "$name"
  old=$(setting "$name" commit)
  fetch_commit "$old" "$(setting "$name" branch)"
  show_diff "$(setting "$name" tree)" "$tree"
  new=$CONF.$$
  cp -p "$CONF" "$new"
  git config -f "$new" "skill.$name.commit" "$commit"
  git config -f "$new" "skill.$name.path" "$path"
  git config -f "$new" "skill.$name.tree" "$tree"
  mv "$new" "$CONF"
  say "$name: pinned at $commit, was $old; next: ./sync-upstream-skills.sh $name"
}

list() {
  local name found state
  for name in $(names); do
    found=$(hash_of "$UPSTREAM/$name")
    case $found in
      '') state='not there' ;;
      "$(setting "$name" tree)") state='there' ;;
      "$(provenance "$name" tree)") state='there, at an earlier pin' ;;
      *) state='edited' ;;
    esac
    say "$name  $(setting "$name" commit)  $(setting "$name" path)  ($state)"
  done
}

# --- the command line

MODE=sync FORCE='' REV='' HELD='' WORK='' STAGING='' WANTED=()
while [ $# -gt 0 ]; do
  case $1 in
    -h | --help)
      usage
      exit 0
      ;;
    --check) MODE=check ;;
    --list) MODE=list ;;
    --force) FORCE=yes ;;
    --pin)
      [ $# -gt 1 ] || wrong_usage '--pin needs a revision'
      MODE=pin REV=$2
      shift
      ;;
    -*) wrong_usage "there is no option $1" ;;
    *) WANTED+=("$1") ;;
  esac
  shift
done

unset GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE GIT_OBJECT_DIRECTORY GIT_ALTERNATE_OBJECT_DIRECTORIES
export GIT_TERMINAL_PROMPT=0 LC_ALL=C
TOP=$(find_top)
CONF=$TOP/skills/upstream.conf UPSTREAM=$TOP/skills/upstream LOCK=$TOP/skills/upstream/.lock
[ -f "$CONF" ] || die "$CONF is missing"
[ ${#WANTED[@]} -gt 0 ] || [ "$MODE" = pin ] || read -r -d '' -a WANTED < <(names && printf '\0')
[ "$MODE" != pin ] || [ ${#WANTED[@]} -eq 1 ] || wrong_usage '--pin moves one skill: name it'
for name in "${WANTED[@]}"; do
  check_name "$name"
done
trap leave EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
WORK=$(mktemp -d "${TMPDIR:-/tmp}/sync-upstream.XXXXXX")

changed=0
case $MODE in
  list) list ;;
  check) for name in "${WANTED[@]}"; do check "$name" || changed=1; done ;;
  pin) move_pin "${WANTED[0]}" "$REV" ;;
  sync)
    take_lock
    for name in "${WANTED[@]}"; do sync "$name"; done
    ;;
esac
exit "$changed"
