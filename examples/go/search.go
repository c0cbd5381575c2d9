package main

import (
    "bytes"
    "encoding/json"
    "fmt"
    "log"
    "net/http"
    "os"
    "time"
)

func main() {
    picture, err := os.ReadFile("query.jpg")
    if err != nil {
        log.Fatal(err)
    }
    type message = map[string]any
    box := message{"x": 2, "y": 3, "width": 20, "height": 30}
    request, err := json.Marshal(message{
        "images":   []message{{"data": picture}}, // Go writes bytes as base64
        "regions":  []message{{"region": message{"box": box}}},
        "pageSize": 5,
    })
    if err != nil {
        log.Fatal(err)
    }
    const method = "http://127.0.0.1:8080/partlens.v1.PartSearchService/SearchRegions"
    client := http.Client{Timeout: 5 * time.Second}
    response, err := client.Post(method, "application/json", bytes.NewReader(request))
    if err != nil {
        log.Fatal(err)
    }
    defer response.Body.Close()
    var answer struct {
        Hits []struct {
            ID    string
            Score float64
        }
        Code, Message string // of an error
    }
    if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
        log.Fatal(err)
    }
    if response.StatusCode != http.StatusOK {
        log.Fatalf("%s: %s", answer.Code, answer.Message)
    }
    for _, hit := range answer.Hits {
        fmt.Printf("%.3f %s\n", hit.Score, hit.ID)
    }
}
